//! To the login page and back: where a redirect leads, and where it never leads.

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::routing::any;
use tower_curfew::service::CurfewLayer;
use tower_curfew::store::MemoryStore;
use tower_curfew::{Curfew, Session};

use crate::support::{Answer, Browser, Site, keyring, navigation, on_every_store, routes};

/// The site where nobody passes without a session but to the login page and what is open.
fn closed<const N: usize>(site: &Site, open: [&str; N]) -> Router {
    let layer = site.curfew.layer().required().open(open);
    let fallback = async |uri: Uri| format!("{} for all", uri.path());
    routes().fallback(fallback).layer(layer).with_state(site.curfew.clone())
}

fn required<const N: usize>(site: &Site, open: [&str; N]) -> Browser {
    Browser::new(closed(site, open))
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    answer.header("location")
}

#[tokio::test]
async fn trap_27_one_comes_back_to_the_very_page_that_one_asked_for() {
    let site = Site::new();
    for page in [
        "/",
        "/reports",
        "/reports/",
        "/reports?year=2026&name=a%20b%2Fc&name=%C3%A9+%26",
        "/caf%C3%A9/%E2%82%AC?q=%25",
        "/a//b?next=//evil.example/../x",
        "/?return_to=//evil.example",
        &format!("/?q={}", "x".repeat(2000)),
    ] {
        let mut ada = required(&site, []);
        let turned_away = ada.open(page).await;
        let login = location(&turned_away);
        assert_eq!(turned_away.login_parameter("return_to").as_deref(), Some(page));
        assert_eq!(ada.open(login).await.body, "sign in here");
        let signed_in = ada.post(&format!("{login}&user=ada")).await;
        assert_eq!(location(&signed_in), page);
        assert!(ada.is_signed_in().await);
    }
}

#[tokio::test]
async fn trap_27_whatever_else_an_attacker_puts_there_leads_to_the_default_page() {
    let site = Site::new();
    for evil in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/a/..//evil.example",
        "/a/%2e%2e//evil.example",
        "/%2f%2fevil.example",
        "/%5cevil.example",
        "/%09/evil.example",
        "/%0d%0aSet-Cookie:a=b",
        "/%252fevil.example",
        "/%25%32%66evil.example",
        "/%c0%afevil.example",
        "https:evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "evil.example",
        " /",
        "/é",
        "/%",
        "",
        &format!("/{}", "x".repeat(3000)),
    ] {
        let evil: String = form_urlencoded::byte_serialize(evil.as_bytes()).collect();
        let login = format!("/login?user=ada&return_to={evil}");
        assert_eq!(location(&site.browser().post(&login).await), "/", "{evil}");
    }
    let twice = "/login?user=ada&return_to=%2Fa&return_to=%2Fb";
    assert_eq!(location(&site.browser().post(twice).await), "/");
}

#[tokio::test]
async fn trap_27_a_page_that_is_no_plain_path_is_not_come_back_to() {
    let site = Site::new();
    let mut asked = 0;
    for page in [
        "//evil.example",
        "//evil.example/%2e%2e",
        "/\\evil.example",
        "/a/../b",
        "/%2f%2fevil.example",
        "/%252fevil.example",
        "/%c0%afevil.example",
        "/?q=a%0d%0aLocation:x",
        "/é",
        "/?q=é",
        &format!("/?q={}", "x".repeat(3000)),
        &format!("/?q={}", "%20".repeat(10_000)),
    ] {
        // Some of them are no request at all.
        let Ok(uri) = page.parse::<Uri>() else { continue };
        asked += 1;
        let mut request = navigation("GET", "/");
        *request.uri_mut() = uri;
        let answer = required(&site, []).send(request).await;
        assert_eq!(location(&answer), "/login", "{page}");
    }
    assert!(asked > 5, "{asked}");
}

#[tokio::test]
async fn trap_28_the_referer_is_never_gone_back_to() {
    let site = Site::new();
    let mut ada = site.signed_in("ada", &[]).await;
    ada.clone().post("/logout").await;
    for (method, path, leads) in [
        ("POST", "/presence", "/login?reason=revoked"),
        ("POST", "/", "/login"),
        ("GET", "/", "/login?return_to=%2F"),
        ("POST", "/login?user=ada", "/"),
    ] {
        for referer in ["https://evil.example/phish", "//evil.example", "/delete-everything"] {
            let mut request = navigation(method, path);
            let referer = HeaderValue::from_static(referer);
            request.headers_mut().insert(HeaderName::from_static("referer"), referer);
            let answer = match path {
                "/presence" => ada.clone().send(request).await,
                "/login?user=ada" => site.browser().send(request).await,
                _ => required(&site, []).send(request).await,
            };
            assert_eq!(location(&answer), leads, "{method} {path}");
        }
    }
    assert_eq!(location(&ada.open("/").await), "/login?return_to=%2F&reason=revoked");
}

#[tokio::test]
async fn trap_29_the_login_page_passes_whatever_cookie_one_comes_with() {
    on_every_store(async |site| {
        let ended = site.signed_in("ada", &[]).await;
        ended.clone().post("/logout").await;
        let mut forged = site.browser();
        forged.cookie = Some(format!("__Host-Http-session={}", "A".repeat(96)));
        for old in [ended, forged, site.browser()] {
            for at in [&site.router, &closed(&site, [])] {
                for path in ["/login?a=b", "/login?reason=revoked&return_to=%2F"] {
                    let mut browser = old.at(at);
                    assert_eq!(browser.open(path).await.body, "sign in here");
                    assert_eq!(old.at(at).fetch("GET", path).await.body, "sign in here");
                    let answer = old.at(at).post(&format!("{path}&user=ada")).await;
                    assert_eq!((location(&answer), answer.set_cookies().len()), ("/", 1));
                }
                // From page to page one arrives, and stays.
                let mut browser = old.at(at);
                let turned_away = browser.open("/").await;
                assert_eq!(browser.open(location(&turned_away)).await.status, 200);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn trap_29_the_login_page_may_have_a_query_of_its_own() {
    let site = Site::with(|builder| builder.login_at("/login?lang=en"));
    let mut ada = site.signed_in("ada", &[]).await;
    ada.clone().post("/logout").await;
    let turned_away = ada.open("/presence").await;
    let login = "/login?lang=en&return_to=%2Fpresence&reason=revoked";
    assert_eq!(location(&turned_away), login);
    let mut anonymous = required(&site, []);
    for page in [login, "/login", "/login?lang=de"] {
        assert_eq!(anonymous.open(page).await.body, "sign in here");
    }
    assert_eq!(location(&anonymous.open("/loginx").await), "/login?lang=en&return_to=%2Floginx");
}

#[tokio::test]
async fn what_is_open_is_what_was_named_however_the_path_is_written() {
    let site = Site::new();
    let mut browser = required(&site, ["/assets/*", "/health"]);
    for open in ["/assets/app.css", "/assets/", "/assets/a/b?c=d", "/health", "/health?deep=1"] {
        let answer = browser.open(open).await;
        assert!(answer.body.ends_with(" for all"), "{open}: {answer:?}");
    }
    for closed in [
        "/assets",
        "/assetsx",
        "/ASSETS/app.css",
        "/assets/../admin",
        "/assets/a/../../admin",
        "/assets/%2e%2e/admin",
        "/assets/.%2E/admin",
        "/assets/%2E%2e",
        "/assets/..%2fadmin",
        "/assets/%2e%2e%2fadmin",
        "/assets/..%5cadmin",
        "/assets/..\\admin",
        "/assets/..",
        "/assets/./x",
        "/assets/%00",
        "//assets/x",
        "/admin/../assets/x",
        "/health/",
        "/healthx",
        "/health%2f",
        "/%68ealth",
        "/admin?/assets/",
    ] {
        if closed.parse::<Uri>().is_ok() {
            let answer = browser.fetch("GET", closed).await;
            assert_eq!(answer.status, 401, "{closed}: {answer:?}");
        }
    }
}

/// Some server in front of the handler, or the handler itself, may take each of these for `/admin`.
#[tokio::test]
async fn r13_a_path_that_others_may_read_as_another_one_is_not_open() {
    let site = Site::new();
    let mut browser = required(&site, ["/assets/*"]);
    for closed in [
        "/assets/..;/admin",
        "/assets/..;a=b/admin",
        "/assets/..%3b/admin",
        "/assets;/../admin",
        "/assets/app;.css",
        "/assets/..%252fadmin",
        "/assets/..%25%32%66admin",
        "/assets/%252e%252e/admin",
        "/assets/..%255cadmin",
        "/assets/..%c0%afadmin",
        "/assets/..%e0%80%afadmin",
        "/assets/..%f0%80%80%afadmin",
        "/assets/%ff",
    ] {
        let answer = browser.fetch("GET", closed).await;
        assert_eq!(answer.status, 401, "{closed}: {answer:?}");
        let answer = browser.open(closed).await;
        assert!(location(&answer).starts_with("/login"), "{closed}");
    }
    for open in ["/assets/caf%C3%A9.css", "/assets/100%25", "/assets/a%20b?c;d=%252f&e=%ff"] {
        assert_eq!(browser.open(open).await.status, 200, "{open}");
    }
}

/// A browser does not read it as another path, so nothing is lost by coming back.
#[tokio::test]
async fn trap_27_one_comes_back_to_a_path_with_a_semicolon_and_to_any_query() {
    let site = Site::new();
    for page in ["/cars;color=red", "/?next=%2Freports%252F&old=%E9"] {
        let answer = required(&site, []).open(page).await;
        assert_eq!(answer.login_parameter("return_to").as_deref(), Some(page));
        let back: String = form_urlencoded::byte_serialize(page.as_bytes()).collect();
        let login = format!("/login?user=ada&return_to={back}");
        assert_eq!(location(&site.browser().post(&login).await), page);
    }
}

#[tokio::test]
async fn a_login_path_opens_itself_alone_or_is_refused() {
    for path in ["/*", "/login/*", "/login*"] {
        let builder = Curfew::builder(MemoryStore::new(), keyring()).login_at(path);
        match builder.build() {
            Err(refused) => assert!(refused.to_string().contains(path), "{refused}"),
            Ok(curfew) => {
                let router = Router::new().fallback("for all").layer(curfew.layer().required());
                for page in ["/login/secret", "/loginsecret", "/secret"] {
                    let mut anybody = Browser::new(router.clone());
                    let answer = anybody.fetch("GET", page).await;
                    assert_eq!(answer.status, 401, "{page} is open because of {path}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_path_cannot_be_opened() {
    let curfew = Site::new().curfew;
    for path in [
        "",
        "*",
        "assets/*",
        "/assets*",
        "/a*b",
        "/*/b",
        "//a",
        "/a b",
        "/a?b=c",
        "/a#b",
        "/a/../b",
        "/a;b",
        "/a%3Bb/*",
        "/a%252fb",
        "/a%c0%af",
        "https://a/b",
    ] {
        for name in [CurfewLayer::open, CurfewLayer::passive] {
            let layer = curfew.layer();
            let named =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| name(layer, [path])));
            let message = *named.unwrap_err().downcast::<String>().unwrap();
            assert!(message.contains(&format!("{path:?} is no path")), "{message}");
        }
    }
}

#[tokio::test]
async fn trap_32_nested_routers_lead_back_to_the_path_that_the_browser_asked_for() {
    async fn page(_: Session, OriginalUri(uri): OriginalUri) -> String {
        format!("at {uri}")
    }
    fn inner() -> Router<Curfew> {
        routes().route("/page", any(page))
    }
    let site = Site::with(|builder| builder.login_at("/a/b/login"));
    let layer = || site.curfew.layer();
    let outside = Router::new().nest("/a/b", inner()).layer(layer());
    let inside = Router::new().nest("/a/b", inner().layer(layer()));
    let twice = Router::new().nest("/a", Router::new().nest("/b", inner().layer(layer())));
    let between = Router::new().nest("/a", Router::new().nest("/b", inner()).layer(layer()));
    let required = Router::new().nest(
        "/a",
        Router::new().nest("/b", inner().layer(layer().required().open(["/a/b/about"]))),
    );
    let around = inner().layer(layer()).with_state(site.curfew.clone());
    let as_service = Router::new().nest_service("/a/b", around);
    for router in [outside, inside, twice, between, required, as_service] {
        let mut ada = Browser::new(router.with_state(site.curfew.clone()));
        assert_eq!(ada.open("/a/b/about").await.body, "about us");
        let page = "/a/b/page?x=%201";
        let turned_away = ada.open(page).await;
        let login = location(&turned_away);
        assert_eq!(login, "/a/b/login?return_to=%2Fa%2Fb%2Fpage%3Fx%3D%25201");
        let signed_in = ada.post(&format!("{login}&user=ada")).await;
        assert_eq!(location(&signed_in), page);
        assert_eq!(ada.open(page).await.body, format!("at {page}"));
        let mut old = ada.clone();
        assert_eq!(ada.post("/a/b/logout").await.status, 200);
        let answer = old.open("/a/b/login").await;
        assert_eq!((&*answer.body, answer.set_cookies().len()), ("sign in here", 1));
    }
}

#[tokio::test]
async fn no_header_that_anybody_may_write_enters_a_redirect_or_a_cookie() {
    let site = Site::new();
    let mut ada = site.signed_in("ada", &[]).await;
    let old = ada.clone();
    ada.post("/logout").await;
    for (method, uri) in [
        ("GET", "/presence"),
        ("GET", "http://evil.example/presence"),
        ("POST", "/presence"),
        ("POST", "/login?user=ada"),
        ("POST", "http://evil.example:80/login?user=ada"),
    ] {
        let mut request = navigation(method, uri);
        for name in [
            "host",
            "forwarded",
            "x-forwarded-host",
            "x-forwarded-for",
            "x-forwarded-server",
            "x-forwarded-prefix",
            "x-forwarded-uri",
            "x-original-url",
            "x-rewrite-url",
            "origin",
            "referer",
        ] {
            let name = HeaderName::from_static(name);
            request.headers_mut().insert(name, HeaderValue::from_static("evil.example"));
        }
        let proto = HeaderName::from_static("x-forwarded-proto");
        request.headers_mut().insert(proto, HeaderValue::from_static("http"));
        let answer = old.clone().send(request).await;
        assert!(location(&answer).starts_with('/'), "{answer:?}");
        let [cookie] = answer.set_cookies()[..] else { panic!("{answer:?}") };
        assert!(cookie.contains("; Secure"), "{cookie}");
        let headers = format!("{:?} {cookie}", answer.headers);
        assert!(!headers.contains("evil"), "{headers}");
    }
}
