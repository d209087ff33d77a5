//! The session cookie against everything that can be in its place, through the whole router.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::header::{COOKIE, HeaderValue};
use axum::http::{HeaderName, Method};
use axum::response::IntoResponse as _;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_curfew::{Curfew, Keyring, Selector, Session};

use crate::support::{
    Answer, Browser, Site, hours, minutes, navigation, on_every_store, routes, send,
};

const NAME: &str = "__Host-Http-session";

fn token(browser: &Browser) -> String {
    let (name, value) = browser.cookie.as_deref().unwrap().split_once('=').unwrap();
    assert_eq!(name, NAME);
    value.to_owned()
}

fn named(value: &str) -> String {
    format!("{NAME}={value}")
}

/// What somebody is shown who comes with these `Cookie` headers.
async fn shown<C: AsRef<[u8]>>(site: &Site, cookies: impl IntoIterator<Item = C>) -> String {
    let mut request = navigation("GET", "/presence");
    for cookie in cookies {
        request.headers_mut().append(COOKIE, HeaderValue::from_bytes(cookie.as_ref()).unwrap());
    }
    let answer = send(&site.router, request).await;
    assert_eq!((answer.status.as_u16(), answer.set_cookies()), (200, vec![]));
    answer.body
}

/// Nobody is let in, no store is asked, and no cookie is cleared.
async fn is_as_no_cookie<C: AsRef<[u8]>>(site: &Site, cookies: impl IntoIterator<Item = C>) {
    site.store.calls();
    assert_eq!(shown(site, cookies).await, "anonymous");
    assert_eq!(site.store.calls(), [""; 0]);
}

#[tokio::test]
async fn r34_a_cookie_that_does_not_verify_is_as_no_cookie_and_costs_no_query() {
    let site = Site::new();
    let good = token(&site.signed_in("ada", &[]).await);
    assert_eq!(shown(&site, [named(&good)]).await, "live ada");
    let upper = good.to_ascii_uppercase();
    let standard = format!("+/{}", &good[2..]);
    for value in [
        "",
        "x",
        &good[..95],
        &format!("{good}A"),
        &format!("{good}="),
        &format!("{good}{good}"),
        &"A".repeat(96),
        &"~".repeat(96),
        &"A".repeat(100_000),
        &format!("\"{good}\""),
        &format!("%41{}", &good[1..]),
        &upper,
        &standard,
    ] {
        is_as_no_cookie(&site, [named(value)]).await;
    }
    is_as_no_cookie(&site, [[named("").as_bytes(), &[0xff; 96]].concat()]).await;
    is_as_no_cookie(&site, [NAME, "=", ";;;", "; =; ==", &good]).await;
}

#[tokio::test]
async fn r34_a_cookie_with_any_bit_changed_is_as_no_cookie() {
    let site = Site::new();
    let good = URL_SAFE_NO_PAD.decode(token(&site.signed_in("ada", &[]).await)).unwrap();
    assert_eq!((good.len(), good[0]), (72, 1), "the first byte is the version");
    for bit in 0..72 * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        is_as_no_cookie(&site, [named(&URL_SAFE_NO_PAD.encode(bad))]).await;
    }
}

#[tokio::test]
async fn trap_17_an_id_that_a_client_chose_is_never_adopted() {
    on_every_store(async |site| {
        let chosen = "A".repeat(96);
        let mut ada = site.browser();
        ada.cookie = Some(named(&chosen));
        ada.sign_in("ada", &[]).await;
        assert_ne!(token(&ada), chosen);
        let sessions = site.curfew.list("ada").await.unwrap();
        assert_eq!(sessions.len(), 1);
        assert_ne!(sessions[0].id().as_bytes(), &[0; 16]);
        is_as_no_cookie(&site, [named(&chosen)]).await;
    })
    .await;
}

#[tokio::test]
async fn trap_17_r28_signing_in_over_somebody_elses_session_ends_it_and_shares_nothing_with_it() {
    on_every_store(async |site| {
        let mut mallory = site.signed_in("mallory", &[]).await;
        let planted = site.curfew.list("mallory").await.unwrap()[0].id();
        // Mallory plants her own cookie in a browser in which Ada signs in.
        let mut ada = mallory.clone();
        ada.sign_in("ada", &[]).await;
        assert_ne!(token(&ada), token(&mallory));
        let sessions = site.curfew.list("ada").await.unwrap();
        assert_eq!(sessions.len(), 1);
        assert_ne!(sessions[0].id(), planted);
        assert_eq!(ada.open("/").await.body, "hello ada");
        assert_eq!(mallory.turned_away_because().await, "revoked");
        assert!(site.curfew.list("mallory").await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn trap_18_a_token_of_another_cookie_or_of_another_key_does_not_verify() {
    let site = Site::new();
    let theme = site.deployed_with(|builder| builder.cookie_name("theme"));
    let other = theme.signed_in("ada", &[]).await.cookie.unwrap();
    let value = other.strip_prefix("theme=").unwrap();
    assert_eq!(shown(&theme, [other.as_str()]).await, "live ada");
    is_as_no_cookie(&site, [named(value)]).await;

    let foreign = Curfew::builder(site.store.clone(), Keyring::from_bytes([8; 32]).unwrap());
    let foreign = foreign.clock(site.clock.clone()).build().unwrap();
    let mut browser = Browser::new(routes().layer(foreign.layer()).with_state(foreign));
    browser.sign_in("ada", &[]).await;
    assert_eq!(browser.open("/presence").await.body, "live ada");
    is_as_no_cookie(&site, [named(&token(&browser))]).await;
}

#[tokio::test]
async fn trap_19_names_are_compared_as_they_are_and_never_decoded() {
    let site = Site::new();
    let ada = named(&token(&site.signed_in("ada", &[]).await));
    let planted = token(&site.signed_in("mallory", &[]).await);
    for name in [
        "__%48ost-Http-session",
        "__host-http-session",
        "__HOST-HTTP-SESSION",
        "\"__Host-Http-session\"",
        "=__Host-Http-session",
        "x__Host-Http-session",
        "__Host-Http-session ",
        "__Host-Http-session[]",
        "__Host-Http-sessionx",
        "__Host-Http",
        "session",
    ] {
        let evil = format!("{name}={planted}");
        is_as_no_cookie(&site, [&evil]).await;
        assert_eq!(shown(&site, [format!("{evil}; {ada}")]).await, "live ada", "{name}");
        assert_eq!(shown(&site, [&ada, &evil]).await, "live ada", "{name}");
    }
}

#[tokio::test]
async fn trap_20_neighbours_hide_nothing_whatever_is_in_them_and_however_many_they_are() {
    let site = Site::new();
    let ada = named(&token(&site.signed_in("ada", &[]).await));
    let odd = [b"name=J\xf6rg; \xff=\xfe; ".as_slice(), ada.as_bytes(), b"; a=\xc3\xa9\t"].concat();
    assert_eq!(shown(&site, [odd]).await, "live ada");
    let odd = [b"\xff".as_slice(), ada.as_bytes(), b"\xff"];
    assert_eq!(shown(&site, odd).await, "live ada", "in headers of their own");
    assert_eq!(shown(&site, [format!(";;  ; =;x; {ada} ;")]).await, "live ada");

    let crowd =
        |from: u32, to: u32| -> String { (from..to).map(|n| format!("c{n}=v; ")).collect() };
    for crowded in [
        format!("{}{ada}", crowd(0, 5_000)),
        format!("{ada}; {}", crowd(0, 5_000)),
        format!("{}{ada}; {}", crowd(0, 2_500), crowd(2_500, 5_000)),
    ] {
        site.store.calls();
        assert_eq!(shown(&site, [crowded]).await, "live ada");
        assert_eq!(site.store.calls(), ["load"]);
    }
    let crumbs = (0..5_000).map(|n| format!("c{n}=v")).chain([ada]);
    assert_eq!(shown(&site, crumbs).await, "live ada");
    is_as_no_cookie(&site, [crowd(0, 5_000)]).await;
    // As many cookies under the very name of the session's, all refused for the price of one look.
    is_as_no_cookie(&site, (0..5_000).map(|n| named(&format!("{n:096}")))).await;
}

#[tokio::test]
async fn r35_trap_25_of_two_different_session_cookies_neither_counts() {
    let site = Site::new();
    let ada = named(&token(&site.signed_in("ada", &[]).await));
    let planted = named(&token(&site.signed_in("mallory", &[]).await));
    for (one, other) in
        [(&ada, &planted), (&planted, &ada), (&ada, &named("x")), (&named(""), &ada)]
    {
        is_as_no_cookie(&site, [format!("{one}; {other}")]).await;
        is_as_no_cookie(&site, [one, other]).await;
        is_as_no_cookie(&site, [one, other, one]).await;
    }
    assert_eq!(shown(&site, [format!("{ada}; {ada}"), ada]).await, "live ada", "it is the same");
}

#[tokio::test]
async fn trap_21_the_cookie_is_deleted_with_the_attributes_that_it_was_set_with() {
    fn attributes(answer: &Answer) -> BTreeSet<String> {
        let [cookie] = answer.set_cookies()[..] else { panic!("{answer:?}") };
        let fixed = |attribute: &&str| {
            !attribute.starts_with("Max-Age=") && !attribute.starts_with("Expires=")
        };
        cookie.split("; ").skip(1).filter(fixed).map(str::to_owned).collect()
    }
    let sites = [
        Site::new(),
        Site::with(|builder| builder.insecure_cookie()),
        Site::with(|builder| builder.cookie_domain("example.com").cookie_path("/")),
        Site::with(|builder| builder.same_site(tower_curfew::SameSite::Strict)),
    ];
    for site in sites {
        let mut ada = site.browser();
        let set = ada.post("/login?user=ada").await;
        let mut elsewhere = ada.clone();
        let signed_out = ada.post("/logout").await;
        let turned_away = elsewhere.open("/").await;
        for cleared in [&signed_out, &turned_away] {
            assert_eq!(attributes(cleared), attributes(&set));
            let deletion = cleared.set_cookies()[0].to_owned();
            let name = set.set_cookies()[0].split('=').next().unwrap();
            assert!(deletion.starts_with(&format!("{name}=; ")), "{deletion}");
            assert!(deletion.contains("; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
        }
        assert_eq!((ada.cookie, elsewhere.cookie), (None, None));
    }
}

#[tokio::test]
async fn trap_22_a_late_request_with_the_cookie_of_before_the_sign_in_never_clears_the_new_one() {
    on_every_store(async |site| {
        let required = site.curfew.layer().required().open(["/about"]);
        let required = routes().layer(required).with_state(site.curfew.clone());
        let mut ada = site.signed_in("ada", &[]).await;
        let late = ada.clone();
        ada.sign_in("ada", &[]).await;
        for router in [&site.router, &required] {
            for path in ["/", "/presence", "/about", "/login", "/nowhere"] {
                for method in [Method::GET, Method::HEAD, Method::POST] {
                    let answer = late.at(router).fetch(method.as_str(), path).await;
                    assert_eq!(answer.set_cookies(), [""; 0], "{method} {path}");
                }
            }
        }
        assert!(ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn trap_22_a_superseded_secret_never_clears_a_cookie_not_even_by_opening_a_page() {
    on_every_store(async |site| {
        let required = site.curfew.layer().required().open(["/about"]);
        let required = routes().layer(required).with_state(site.curfew.clone());
        let mut ada = site.signed_in("ada", &[]).await;
        let late = ada.clone();
        assert_eq!(ada.post("/rotate").await.status, 200);
        for router in [&site.router, &required] {
            for path in ["/", "/presence", "/about", "/login"] {
                let answer = late.at(router).open(path).await;
                assert_eq!(answer.set_cookies(), [""; 0], "{path}");
                assert_eq!(answer.login_parameter("reason"), None, "it is not over: {path}");
            }
        }
        assert_eq!(late.at(&site.router).open("/presence").await.body, "anonymous");
        assert!(ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn trap_23_no_answer_with_the_cookie_may_be_kept_by_a_cache() {
    fn kept_by_nobody(answer: &Answer) {
        assert_eq!(answer.set_cookies().len(), 1, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("vary"), "Cookie");
    }
    async fn public(_: Session) -> impl axum::response::IntoResponse {
        ([(HeaderName::from_static("cache-control"), "public, max-age=60")], "a logo")
            .into_response()
    }
    let site = Site::new();
    let router = routes().route("/logo", get(public));
    let router = router.layer(site.curfew.layer()).with_state(site.curfew.clone());
    let mut ada = Browser::new(router);
    kept_by_nobody(&ada.post("/login?user=ada").await);
    site.pass(hours(2));
    let logo = ada.open("/logo").await;
    assert_eq!((logo.status.as_u16(), logo.set_cookies()), (200, vec![]));
    assert_eq!(logo.header("cache-control"), "public, max-age=60");
    site.pass(minutes(1));
    kept_by_nobody(&ada.open("/").await);
    kept_by_nobody(&ada.post("/rotate").await);
    kept_by_nobody(&ada.post("/again").await);
    kept_by_nobody(&ada.clone().post("/logout").await);
    kept_by_nobody(&ada.open("/").await);
}

#[tokio::test]
async fn trap_24_the_list_of_sessions_hands_out_nothing_that_logs_in() {
    on_every_store(async |site| {
        let ada = site.signed_in("ada", &["acme"]).await;
        let token = token(&ada);
        let list = site.curfew.list("ada").await.unwrap();
        let printed = format!("{list:?} {list:#?}");
        // The secret half are the characters from the 24th on.
        assert!(!printed.contains(&token[24..40]), "{printed}");
        let id = list[0].id();
        let padded = URL_SAFE_NO_PAD.encode([&[1, 0][..], id.as_bytes(), &[0; 54]].concat());
        for value in [id.to_string(), format!("{id:?}"), padded] {
            is_as_no_cookie(&site, [named(&value)]).await;
        }
        assert_eq!(
            site.curfew.operator("tests").revoke(Selector::user("ada").only(id)).await.unwrap(),
            1
        );
    })
    .await;
}

#[tokio::test]
async fn a_malformed_cookie_does_not_keep_anybody_from_signing_in() {
    let site = Site::new();
    for cookie in [named("x"), format!("{}; {}", named("a"), named("b"))] {
        let mut request = navigation("POST", "/login?user=ada");
        request.headers_mut().append(COOKIE, cookie.parse().unwrap());
        let answer = send(&site.router, request.map(|_| Body::empty())).await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (303, 1));
    }
}
