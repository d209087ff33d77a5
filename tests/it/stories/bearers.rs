//! How a program presents its token, and what it is answered.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use tower_curfew::Session;

use super::accounts::ada;
use crate::support::{Answer, Browser, Site, days, hours, on_every_store, send};

/// The text between `curfew_` or the name of the cookie and the end.
fn signed(browser: &Browser) -> &str {
    let credential = browser.bearer.as_deref().or(browser.cookie.as_deref()).unwrap();
    &credential[credential.len() - 96..]
}

/// What the site sees of whoever presents these tokens and this cookie, and the calls of its store.
async fn shown(
    site: &Site,
    tokens: &[&str],
    cookie: Option<&Browser>,
) -> (String, Vec<&'static str>) {
    let mut request = Request::builder().uri("/presence");
    for token in tokens {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(browser) = cookie {
        request = request.header(header::COOKIE, browser.cookie.as_deref().unwrap());
    }
    site.store.calls();
    let answer = send(&site.router, request.body(Body::empty()).unwrap()).await;
    if tokens.iter().any(|token| token.starts_with("curfew_")) {
        assert_eq!(answer.set_cookies(), [""; 0], "{tokens:?}");
    }
    (answer.body, site.store.calls())
}

fn token(program: &Browser) -> String {
    format!("curfew_{}", signed(program))
}

fn seen(who: &str, calls: &[&'static str]) -> (String, Vec<&'static str>) {
    (who.to_owned(), calls.to_vec())
}

#[tokio::test]
async fn r27_a_token_comes_before_the_cookie_of_the_same_request() {
    on_every_store(async |site| {
        let grace = site.signed_in("grace", &[]).await;
        let program = site.program(ada().named("backup")).await;
        let signed_in = site.now();
        // Long enough for both to be recorded, and for the cookie to be sent anew.
        site.pass(days(1));
        let both = shown(&site, &[&token(&program)], Some(&grace)).await;
        assert_eq!(both, seen("live ada", &["load", "touch"]));
        assert_eq!(site.record(&grace).await.last_seen(), signed_in);
        let forged = shown(&site, &["curfew_x"], Some(&grace)).await;
        assert_eq!(forged, seen("anonymous", &[]), "the cookie is no way out");
        program.clone().post("/logout").await;
        let ended = shown(&site, &[&token(&program)], Some(&grace)).await;
        assert_eq!(ended, seen("ended revoked -", &["load"]));
        assert!(grace.clone().is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r27_the_tokens_of_others_are_none_of_ours() {
    on_every_store(async |site| {
        let grace = site.signed_in("grace", &[]).await;
        let program = site.program(ada().named("backup")).await;
        let foreign = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl";
        let by_cookie = shown(&site, &[foreign], Some(&grace)).await;
        assert_eq!(by_cookie, seen("live grace", &["load"]));
        assert_eq!(shown(&site, &[foreign], None).await, seen("anonymous", &[]));
        let beside_ours = shown(&site, &[foreign, &token(&program)], Some(&grace)).await;
        assert_eq!(beside_ours.0, "live ada");
        site.pass(hours(1));
        let mut tab = grace.clone();
        let mut request = Request::builder().uri("/");
        request = request.header(header::AUTHORIZATION, format!("Bearer {foreign}"));
        let answer = tab.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.set_cookies().len(), 1, "it is due, and the browser is one");
    })
    .await;
}

#[tokio::test]
async fn r27_a_cookie_is_no_token_and_a_token_is_no_cookie() {
    on_every_store(async |site| {
        let browser = site.signed_in("ada", &[]).await;
        let program = site.program(ada().named("backup")).await;
        for text in [token(&browser), signed(&browser).to_owned(), signed(&program).to_owned()] {
            assert_eq!(shown(&site, &[&text], None).await, seen("anonymous", &[]));
        }
        for text in [signed(&program).to_owned(), token(&program), token(&browser)] {
            let mut swapped = site.browser();
            swapped.cookie = Some(format!("__Host-Http-session={text}"));
            assert_eq!(shown(&site, &[], Some(&swapped)).await, seen("anonymous", &[]));
        }
        assert_eq!(shown(&site, &[&token(&program)], None).await.0, "live ada");
        assert_eq!(shown(&site, &[], Some(&browser)).await.0, "live ada");
    })
    .await;
}

#[tokio::test]
async fn r35_of_two_different_tokens_neither_counts() {
    on_every_store(async |site| {
        let one = token(&site.program(ada().named("one")).await);
        let other = token(&site.program(ada().named("other")).await);
        let browser = site.signed_in("ada", &[]).await;
        for tokens in [[&*one, &*other], [&*other, &*one], [&*one, "curfew_"], ["curfew_x", &*one]]
        {
            for cookie in [None, Some(&browser)] {
                assert_eq!(shown(&site, &tokens, cookie).await, seen("anonymous", &[]));
            }
        }
        assert_eq!(shown(&site, &[&one, &one], None).await, seen("live ada", &["load"]));
    })
    .await;
}

#[tokio::test]
async fn r27_any_changed_character_of_a_token_costs_the_store_nothing() {
    let site = Site::new();
    let good = token(&site.program(ada().named("backup")).await);
    for at in 0..good.len() {
        let mut bad = good.clone().into_bytes();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bad).unwrap();
        assert_eq!(shown(&site, &[&bad], None).await, seen("anonymous", &[]), "at {at}");
    }
    assert_eq!(shown(&site, &[&good[..102]], None).await, seen("anonymous", &[]));
    assert_eq!(shown(&site, &[&format!("{good}A")], None).await, seen("anonymous", &[]));
    assert_eq!(shown(&site, &[&good], None).await, seen("live ada", &["load"]));
}

const LIKE_BROWSERS: [&[(&str, &str)]; 4] = [
    &[("accept", "text/html")],
    &[("sec-fetch-mode", "navigate"), ("accept", "text/html")],
    &[("hx-request", "true")],
    &[],
];

async fn ask_as(program: &mut Browser, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri("/asks");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    program.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn r27_a_program_whose_session_has_ended_is_told_so_and_never_redirected() {
    on_every_store(async |site| {
        let program = site.program(ada().named("backup")).await;
        let idle = site.program(ada().named("idle").orgs(["acme"])).await;
        program.clone().post("/logout").await;
        site.pass(days(28));
        let mut forged = site.browser();
        forged.bearer = Some("Bearer curfew_x".to_owned());
        let layer = || site.curfew.layer();
        for layer in [layer(), layer().required(), layer().optional()] {
            let asks = axum::routing::get(async |_: Session| "in");
            let router = Router::new().route("/asks", asks).layer(layer);
            for (program, because) in
                [(&program, "revoked"), (&idle, "idle"), (&forged, "anonymous")]
            {
                for headers in LIKE_BROWSERS {
                    let answer = ask_as(&mut program.at(&router), headers).await;
                    assert_eq!(answer.unauthorized_because(), because, "{headers:?}");
                    let challenge = r#"Bearer error="invalid_token""#;
                    assert_eq!(answer.header("www-authenticate"), challenge);
                    assert_eq!(answer.header("content-type"), "application/problem+json");
                    assert_eq!(answer.header("cache-control"), "no-store");
                    assert_eq!([answer.header("location"), answer.header("hx-redirect")], [""; 2]);
                }
            }
            let mut alive = site.program(ada().named("alive")).await.at(&router);
            for headers in LIKE_BROWSERS {
                assert_eq!(ask_as(&mut alive, headers).await.body, "in");
            }
        }
    })
    .await;
}
