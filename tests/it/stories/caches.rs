//! Caches between the site and its visitors: none of them keeps an answer with the cookie.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, EXPIRES, HeaderValue, VARY};
use axum::http::{HeaderName, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use tower_curfew::{ClientInfo, Curfew, Error, NewSession, Session, SetCookie};

use crate::support::{Answer, Browser, Site, hours, on_every_store};

const CDN: HeaderName = HeaderName::from_static("cdn-cache-control");
const VENDOR: HeaderName = HeaderName::from_static("cloudflare-cdn-cache-control");
const SURROGATE: HeaderName = HeaderName::from_static("surrogate-control");
const NGINX: HeaderName = HeaderName::from_static("x-accel-expires");

/// What handlers say of how an answer may be kept, for some cache or other.
const KEEP: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "public, max-age=60"),
    (CDN, "max-age=60"),
    (VENDOR, "public"),
    (SURROGATE, "max-age=60"),
    (NGINX, "60"),
];

async fn cookie(curfew: &Curfew, client: &ClientInfo) -> Result<SetCookie, Error> {
    curfew.start(NewSession::for_user("ada"), client).await
}

/// Routes on which somebody signs in, and which want their answers to be kept.
fn sign_ins() -> Router<Curfew> {
    async fn cookie_first(curfew: Curfew, client: ClientInfo) -> Result<impl IntoResponse, Error> {
        Ok((cookie(&curfew, &client).await?, KEEP, [(VARY, "Accept")], "page"))
    }
    async fn cookie_last(curfew: Curfew, client: ClientInfo) -> Result<impl IntoResponse, Error> {
        Ok((KEEP, [(VARY, "Accept")], cookie(&curfew, &client).await?, "page"))
    }
    async fn appended(curfew: Curfew, client: ClientInfo) -> Result<impl IntoResponse, Error> {
        Ok((cookie(&curfew, &client).await?, AppendHeaders(KEEP), "page"))
    }
    async fn by_hand(curfew: Curfew, client: ClientInfo) -> Result<Response, Error> {
        let mut response = "page".into_response();
        let set_cookie = cookie(&curfew, &client).await?;
        let header = set_cookie.header_value().unwrap().clone();
        response.headers_mut().insert("set-cookie", header);
        for (name, value) in KEEP {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let expires = HeaderValue::from_static("Fri, 01 Jan 2100 00:00:00 GMT");
        response.headers_mut().insert(EXPIRES, expires);
        Ok(response)
    }
    async fn sign_out(session: Session, curfew: Curfew) -> Result<impl IntoResponse, Error> {
        Ok((curfew.end(&session).await?, KEEP, "bye"))
    }
    Router::new()
        .route("/cookie-first", post(cookie_first))
        .route("/cookie-last", post(cookie_last))
        .route("/appended", post(appended))
        .route("/by-hand", post(by_hand))
        .route("/sign-out", post(sign_out))
}

#[track_caller]
fn is_kept_by_nobody(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.set_cookies().len(), 1, "{answer:?}");
    let values = answer.headers.get_all(CACHE_CONTROL).iter().collect::<Vec<_>>();
    assert_eq!(values, ["no-store"], "{answer:?}");
    let mut vary = answer.headers.get_all(VARY).iter();
    assert!(vary.any(|value| value == "Cookie"), "{answer:?}");
    for name in [CDN, VENDOR, SURROGATE, NGINX, EXPIRES] {
        assert!(!answer.headers.contains_key(&name), "{name} of {answer:?}");
    }
}

#[tokio::test]
async fn r12_trap_44_what_a_handler_returns_beside_its_cookie_lets_no_cache_keep_it() {
    on_every_store(async |site| {
        let router = site.router_with(sign_ins());
        for path in ["/cookie-first", "/cookie-last", "/appended", "/by-hand"] {
            let mut ada = Browser::new(router.clone());
            is_kept_by_nobody(&ada.post(path).await);
            assert!(ada.is_signed_in().await, "{path}");
            is_kept_by_nobody(&ada.post(path).await);
            is_kept_by_nobody(&ada.post("/sign-out").await);
            assert_eq!(ada.cookie, None, "{path}");
        }
    })
    .await;
}

/// A page that says so of itself.
fn page<const N: usize>(headers: [(HeaderName, &'static str); N]) -> MethodRouter<Curfew> {
    get(async move || (AppendHeaders(headers), "page"))
}

#[tokio::test]
async fn r12_trap_44_what_some_caches_may_keep_waits_for_another_request_to_carry_the_cookie() {
    on_every_store(async |site| {
        let more = Router::new()
            .route("/cdn", page([(CACHE_CONTROL, "no-cache"), (CDN, "max-age=60")]))
            .route("/vendor", page([(VENDOR, "public")]))
            .route("/surrogate", page([(SURROGATE, "max-age=60")]))
            .route("/nginx", page([(NGINX, "60")]))
            .route("/not-modified", get(async || StatusCode::NOT_MODIFIED))
            .route("/strict-cdn", page([(CDN, "no-store")]))
            .route("/strict-nginx", page([(NGINX, "0")]))
            .route("/no-time", page([(SURROGATE, "max-age=0"), (CACHE_CONTROL, "s-maxage=0")]));
        let router = site.router_with(more);
        let mut ada = site.signed_in("ada", &[]).await.at(&router);
        for path in ["/cdn", "/vendor", "/surrogate", "/nginx", "/not-modified"] {
            let plain = Browser::new(router.clone()).open(path).await;
            site.pass(hours(1));
            let answer = ada.open(path).await;
            assert_eq!(answer.headers, plain.headers, "{path}: as for anybody");
            site.pass(hours(1));
            assert_eq!(ada.open("/").await.set_cookies().len(), 1, "after {path}");
        }
        for (path, stays) in
            [("/strict-cdn", Some(CDN)), ("/strict-nginx", Some(NGINX)), ("/no-time", None)]
        {
            site.pass(hours(1));
            let answer = ada.open(path).await;
            assert_eq!(answer.set_cookies().len(), 1, "{path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            let targeted = [CDN, VENDOR, SURROGATE, NGINX];
            let left = targeted.into_iter().filter(|name| answer.headers.contains_key(name));
            assert_eq!(left.collect::<Vec<_>>(), Vec::from_iter(stays), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn r12_an_answer_that_sets_another_cookie_stays_as_the_handler_made_it() {
    let site = Site::new();
    let theme = get(async || ([("set-cookie", "theme=dark")], KEEP, "page"));
    let mut ada = site.signed_in("ada", &[]).await;
    ada = ada.at(&site.router_with(Router::new().route("/theme", theme)));
    let mut request = crate::support::navigation("GET", "/theme");
    ada.identify(&mut request);
    let answer = crate::support::send(&ada.router, request).await;
    for (name, value) in KEEP {
        assert_eq!(answer.headers[&name], value);
    }
    assert!(!answer.headers.contains_key(VARY));
}
