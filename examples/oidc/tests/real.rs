//! The whole way through a real provider: the npm package `oidc-provider`, started by
//! `provider.mjs`. Where it is not installed, the tests say that they are skipped, or fail if
//! `CURFEW_REQUIRE_OIDC` is 1. `tests/run` installs it.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use openidconnect::url::Url;
use tokio::net::TcpListener;
use tower_curfew::service::CurfewLayer;
use tower_curfew::{Curfew, Selector};

use super::browser::{Browser, Page};
use super::{curfew, settings};
use crate::app::app;
use crate::provider::Provider;

/// The app and its provider, both listening.
struct Place {
    curfew: Curfew,
    app: Url,
    issuer: Url,
    process: Child,
}

type Mode = fn(&Curfew) -> CurfewLayer;

const MODES: [Mode; 2] = [Curfew::layer, |curfew| curfew.layer().required()];

#[tokio::test]
async fn a_person_signs_in_at_the_provider_and_comes_back_to_where_they_wanted_to_go() {
    for mode in MODES {
        let test = "a_person_signs_in_at_the_provider_and_comes_back_to_where_they_wanted_to_go";
        let Some(place) = Place::open(test, mode).await else { return };
        let mut browser = Browser::new();
        let wanted = place.app.join("/?from=a%20mail").unwrap();
        let home = place.sign_in(&mut browser, "ada", &wanted).await;
        assert_eq!(home.url, wanted);
        assert!(home.body.contains("You are signed in as ada."), "{home:?}");
        assert_eq!(place.curfew.list("ada").await.unwrap().len(), 1);
        let cookies = browser.cookies_for(&place.app).keys().collect::<Vec<_>>();
        assert_eq!(cookies, ["__Host-Http-session"], "the sign-in is no longer under way");

        let signed_out = browser.submit(&home, &[]).await;
        let login = browser.follow(signed_out, |_| false).await;
        assert!(login.body.contains("Sign in"), "{login:?}");
        assert_eq!(place.curfew.list("ada").await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn trap_49_a_session_that_ends_while_the_person_is_at_the_provider_keeps_nobody_out() {
    for mode in MODES {
        let test =
            "trap_49_a_session_that_ends_while_the_person_is_at_the_provider_keeps_nobody_out";
        let Some(place) = Place::open(test, mode).await else { return };
        let mut browser = Browser::new();
        // Two tabs: it signs in by the second, and then by the first too, which is at the provider
        // when an admin ends the session of the second.
        let first_tab = browser.open(&place.app.join("/login").unwrap()).await;
        place.sign_in(&mut browser, "ada", &place.app).await;
        let sent = browser.submit(&first_tab, &[]).await;
        let at_provider = browser.follow(sent, |next| next.path() == "/callback").await;
        let admin = place.curfew.operator("an admin");
        assert_eq!(admin.revoke(Selector::user("ada")).await.unwrap(), 1);

        let callback = browser.open(&at_provider.redirect.unwrap()).await;
        assert_eq!(callback.status, 303, "{callback:?}");
        let home = browser.follow(callback, |_| false).await;
        assert!(home.body.contains("You are signed in as ada."), "{home:?}");
    }
}

#[tokio::test]
async fn the_logout_at_the_provider_ends_the_session_that_began_with_it_and_no_other() {
    for mode in MODES {
        let test = "the_logout_at_the_provider_ends_the_session_that_began_with_it_and_no_other";
        let Some(place) = Place::open(test, mode).await else { return };
        let (mut laptop, mut phone) = (Browser::new(), Browser::new());
        for browser in [&mut laptop, &mut phone] {
            place.sign_in(browser, "ada", &place.app).await;
        }
        assert_eq!(place.curfew.list("ada").await.unwrap().len(), 2);

        let question = laptop.open(&place.issuer.join("/session/end").unwrap()).await;
        // It answers when it has told the app.
        laptop.submit(&question, &[("logout", "yes")]).await;
        let home = laptop.open(&place.app).await;
        let login = home.redirect.expect("the laptop is signed out");
        assert_eq!(login.query(), Some("return_to=%2F&reason=revoked"));
        assert_eq!(phone.open(&place.app).await.status, 200);
        assert_eq!(place.curfew.list("ada").await.unwrap().len(), 1);
    }
}

impl Place {
    /// Starts both on free ports. Without a provider on this machine it says that this test is
    /// skipped.
    async fn open(test: &str, mode: Mode) -> Option<Self> {
        let folder = installed(test)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app_url = format!("http://{}", listener.local_addr().unwrap());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc/provider.mjs");
        let mut process = Command::new("node")
            .arg(script)
            .args(["0", &app_url])
            .env("CURFEW_TEST_OIDC_PROVIDER", folder)
            // It ends when this is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node comes with npm");
        let mut issuer = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut issuer).unwrap();
        let issuer = issuer.trim();

        let provider = Provider::discover(settings(issuer, &app_url)).await.unwrap();
        let curfew = curfew();
        let app = app(mode(&curfew), provider);
        tokio::spawn(async { axum::serve(listener, app).await });
        let url = |text: &str| Url::parse(text).unwrap();
        Some(Self { curfew, app: url(&app_url), issuer: url(issuer), process })
    }

    /// Opens a page of the app, and signs in for it.
    async fn sign_in(&self, browser: &mut Browser, name: &str, page: &Url) -> Page {
        let login = browser.visit(page).await;
        assert_eq!(login.url.path(), "/login", "{login:?}");
        let sent = browser.submit(&login, &[]).await;
        let name_and_password = browser.follow(sent, |_| false).await;
        assert_eq!(name_and_password.url.authority(), self.issuer.authority());
        let known = browser.submit(&name_and_password, &[("login", name), ("password", "x")]).await;
        let consent = browser.follow(known, |_| false).await;
        assert_eq!(consent.url.authority(), self.issuer.authority());
        let agreed = browser.submit(&consent, &[]).await;
        browser.follow(agreed, |_| false).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder that npm installed the provider into.
fn installed(test: &str) -> Option<PathBuf> {
    let of_the_build =
        || Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target/oidc-provider");
    let folder = env::var_os("CURFEW_TEST_OIDC_PROVIDER").map_or_else(of_the_build, PathBuf::from);
    if folder.join("node_modules/oidc-provider").is_dir() {
        return Some(folder);
    }
    let why = format!("there is no oidc-provider in {}", folder.display());
    assert_ne!(env::var("CURFEW_REQUIRE_OIDC").as_deref(), Ok("1"), "{test}: {why}");
    // Not through the macro, whose output is captured.
    let _ = std::io::stderr().write_all(format!("{test}: skipped: {why}\n").as_bytes());
    None
}
