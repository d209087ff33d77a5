//! What is set when a handle is built: the cookie and its keys, and what is refused.

use time::Duration;
use tower_curfew::client::ForwardedHeader;
use tower_curfew::store::MemoryStore;
use tower_curfew::{AtCap, Builder, ConfigError, Curfew, Keyring, SameSite};

use crate::support::{Browser, Site, hours, keyring, minutes, routes};

/// The header with the token blanked, which has 96 characters of base64url.
async fn set_cookie(configure: impl FnOnce(Builder) -> Builder, sign_in: &str) -> String {
    let site = Site::with(configure);
    let answer = site.browser().post(sign_in).await;
    let [header] = answer.set_cookies()[..] else { panic!("{answer:?}") };
    let token = header.split(['=', ';']).nth(1).unwrap();
    assert_eq!(token.len(), 96, "{header}");
    assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{header}");
    header.replace(token, "…")
}

#[tokio::test]
async fn r09_the_cookie_is_as_strict_as_browsers_know_and_outlives_the_session() {
    // 28 days, and 7 in which to learn why it ended.
    assert_eq!(
        set_cookie(|builder| builder, "/login?user=ada").await,
        "__Host-Http-session=…; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3024000"
    );
    let limits = tower_curfew::Limits::unlimited();
    assert_eq!(
        set_cookie(|builder| builder.limits(limits), "/login?user=ada").await,
        "__Host-Http-session=…; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000"
    );
    assert_eq!(
        set_cookie(|builder| builder, "/login?user=ada&hours=1").await,
        "__Host-Http-session=…; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=608400"
    );
    assert_eq!(
        set_cookie(|builder| builder, "/login?user=ada&brief=1").await,
        "__Host-Http-session=…; HttpOnly; SameSite=Lax; Secure; Path=/"
    );
}

#[tokio::test]
async fn the_cookie_is_as_it_was_asked_for() {
    let login = "/login?user=ada&brief=1";
    assert_eq!(
        set_cookie(|builder| builder.insecure_cookie(), login).await,
        "session=…; HttpOnly; SameSite=Lax; Path=/"
    );
    assert_eq!(
        set_cookie(|builder| builder.cookie_domain("example.com"), login).await,
        "__Secure-session=…; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com"
    );
    assert_eq!(
        set_cookie(|builder| builder.cookie_path("/app"), login).await,
        "__Secure-session=…; HttpOnly; SameSite=Lax; Secure; Path=/app"
    );
    let named = |builder: Builder| builder.cookie_name("id").same_site(SameSite::None);
    assert_eq!(set_cookie(named, login).await, "id=…; HttpOnly; SameSite=None; Secure; Path=/");
}

#[tokio::test]
async fn a_cookie_under_an_old_key_lives_and_is_issued_under_the_new_one_when_it_is_due() {
    let site = Site::new();
    let node = |keyring: Keyring| {
        let curfew = Curfew::builder(site.store.clone(), keyring).clock(site.clock.clone());
        let curfew = curfew.build().unwrap();
        routes().layer(curfew.layer()).with_state(curfew)
    };
    let new = Keyring::from_bytes([9; 32]).unwrap();
    let both = node(new.clone().and_accept([7; 32]).unwrap());
    let (new, old) = (node(new), node(keyring()));
    let is_known = async |browser: &Browser, at| browser.at(at).is_signed_in().await;

    let mut ada = site.signed_in("ada", &[]).await;
    let under_old = ada.clone();
    assert!(is_known(&ada, &old).await && is_known(&ada, &both).await);
    assert!(!is_known(&ada, &new).await);

    ada = ada.at(&both);
    site.pass(minutes(59));
    assert_eq!(ada.open("/").await.set_cookies(), [""; 0], "it is not due");
    site.pass(minutes(1));
    assert_eq!(ada.open("/").await.set_cookies().len(), 1);
    assert!(is_known(&ada, &new).await && is_known(&ada, &both).await);
    assert!(!is_known(&ada, &old).await);
    assert!(is_known(&under_old, &both).await, "it is the same secret");
    site.pass(hours(1));
    assert!(is_known(&ada, &new).await);
}

fn refusal(configure: impl FnOnce(Builder) -> Builder) -> ConfigError {
    let builder = Curfew::builder(MemoryStore::new(), keyring());
    configure(builder).build().unwrap_err()
}

#[test]
fn what_cannot_work_is_refused_when_it_is_built_and_the_message_names_it() {
    let login_at = |path: &'static str| refusal(move |builder| builder.login_at(path)).to_string();
    for (error, names) in [
        (
            refusal(|b| b.refresh_every(Duration::ZERO)),
            "refresh_every is 0s, which is not between 1s",
        ),
        (refusal(|b| b.refresh_every(-Duration::HOUR)), "refresh_every is -1h"),
        (refusal(|b| b.refresh_every(Duration::MAX)), "refresh_every is "),
        (refusal(|b| b.timeout(Duration::ZERO)), "timeout is 0s, which is not between 1ms"),
        (refusal(|b| b.timeout(Duration::minutes(2))), "timeout is 2m"),
        (refusal(|b| b.purge_every(Duration::ZERO)), "purge_every is 0s"),
        (refusal(|b| b.purge_every(Duration::weeks(2))), "purge_every is 14d"),
        (refusal(|b| b.at_most_per_user(0, AtCap::Refuse)), "at_most_per_user is 0"),
    ] {
        assert!(error.to_string().contains(names), "{error}");
    }
    for path in ["", "login", "//evil.example", "https://evil.example/", "/a b", "/login#top", "/é"]
    {
        let error = login_at(path);
        assert!(error.contains(&format!("login_at is {path:?}")), "{error}");
    }
    for network in ["", "10.0.0.0/33", "10.0.0", "0.0.0.0/0", "localhost"] {
        let header = ForwardedHeader::XForwardedFor;
        let error = refusal(|builder| builder.trust_proxies([network], header)).to_string();
        assert!(error.contains(&format!("trust_proxies: proxy network {network:?}")), "{error}");
    }
    for origin in [
        "",
        "app.example.com",
        "https://",
        "https://a/b",
        "https://A.example",
        "*",
        "https://a.example:443",
        "http://a.example:80",
        "https://:",
        "https://[",
        "https://a:99999",
        "https://a@b.example",
        "https://a.example?",
        "https://a.example:",
    ] {
        let error = refusal(|builder| builder.trust_origins([origin])).to_string();
        assert!(error.contains(&format!("trust_origins is given {origin:?}")), "{error}");
    }
    let mut sound = Curfew::builder(MemoryStore::new(), keyring()).login_at("/auth/login?lang=en");
    sound = sound.refresh_every(Duration::SECOND).timeout(Duration::MINUTE);
    assert!(sound.purge_by_hand().at_most_per_user(1, AtCap::EndOldest).build().is_ok());
}

/// Each combination that browsers refuse, and what the explanation must name.
fn refused_cookies() -> [(ConfigError, &'static [&'static str]); 11] {
    [
        (refusal(|b| b.cookie_name("")), &["\"\""]),
        (refusal(|b| b.cookie_name("my session")), &["\"my session\""]),
        (refusal(|b| b.cookie_name("a=b")), &["\"a=b\""]),
        (refusal(|b| b.cookie_name("__Host-x").insecure_cookie()), &["\"__Host-x\"", "Secure"]),
        (
            refusal(|b| b.cookie_name("__Host-x").cookie_domain("example.com")),
            &["\"__Host-x\"", "\"example.com\""],
        ),
        (refusal(|b| b.cookie_name("__host-x").cookie_path("/app")), &["\"__host-x\"", "\"/app\""]),
        (refusal(|b| b.cookie_domain(".example.com")), &["\".example.com\""]),
        (refusal(|b| b.cookie_domain("127.0.0.1")), &["\"127.0.0.1\""]),
        (refusal(|b| b.cookie_domain("localhost")), &["\"localhost\""]),
        (refusal(|b| b.cookie_path("app")), &["\"app\""]),
        (refusal(|b| b.same_site(SameSite::None).insecure_cookie()), &["SameSite=None", "Secure"]),
    ]
}

#[test]
fn a_cookie_that_browsers_would_refuse_is_refused_and_the_message_names_it() {
    for (error, names) in refused_cookies() {
        let message = error.to_string();
        assert!(names.iter().all(|name| message.contains(name)), "{message}: {names:?}");
    }
}
