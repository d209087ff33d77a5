//! Plain http, where browsers keep no `Secure` cookie: somebody who signs in is not signed in.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{ACCEPT, ORIGIN, REFERER};
use tower_curfew::Builder;
use tracing::Level;

use crate::support::{Answer, Log, Site, send};

/// What a browser sends that posts the form of the login page at this origin. Only where it trusts the
/// connection it sends `Sec-Fetch-Mode`.
fn sign_in(origin: &str, trusted: bool) -> Request<Body> {
    let request = Request::builder().method("POST").uri("/login?user=ada");
    let request = request.header(ORIGIN, origin).header(REFERER, format!("{origin}/login"));
    let request = request.header(ACCEPT, "text/html");
    let request = if trusted { request.header("sec-fetch-mode", "navigate") } else { request };
    request.body(Body::empty()).unwrap()
}

async fn signed_in(site: &Site, request: Request<Body>) -> Answer {
    let answer = send(&site.router, request).await;
    assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (303, 1));
    answer
}

/// What is said when somebody signs in three times from each of these origins.
async fn said(
    configure: impl Fn(Builder) -> Builder + Copy,
    origins: &[(&str, bool)],
) -> Vec<(Level, String)> {
    let story = async || {
        let site = Site::with(configure);
        for (origin, trusted) in origins {
            for _ in 0..3 {
                signed_in(&site, sign_in(origin, *trusted)).await;
            }
        }
    };
    let ((), lines) = Log::of(story).await;
    lines.into_iter().filter(|(level, _)| *level <= Level::WARN).collect()
}

#[tokio::test]
async fn trap_51_that_browsers_drop_the_cookie_is_said_once_with_what_to_do() {
    let both = [("http://app.lan:3000", false), ("http://192.168.0.7", false)];
    for origins in [&both[..1], &both[1..], &both] {
        let lines = said(|builder| builder, origins).await;
        let [(level, line)] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(*level, Level::WARN);
        assert!(line.contains("plain http") && line.contains("drop a cookie"), "{line}");
        assert!(line.contains("https") && line.contains("`insecure_cookie()`"), "{line}");
        assert!(!line.contains("app.lan") && !line.contains("192.168"), "{line}");
    }
}

#[tokio::test]
async fn trap_51_nothing_is_said_where_browsers_keep_the_cookie() {
    let kept = [
        ("https://app.example.com", true),
        ("https://app.lan", false),
        ("http://localhost:3000", true),
        ("http://localhost:3000", false),
        ("http://app.localhost", false),
        ("http://127.0.0.1:3000", false),
        ("http://[::1]:3000", false),
        // Told to treat this origin as secure.
        ("http://app.lan", true),
    ];
    assert_eq!(said(|builder| builder, &kept).await, []);
    let lab = |builder: Builder| builder.insecure_cookie();
    assert_eq!(said(lab, &[("http://app.lan:3000", false)]).await, []);
}

/// Whoever comes with the cookie has a browser that kept it; and visitors do not sign in.
#[tokio::test]
async fn trap_51_nothing_is_said_to_who_is_signed_in_or_only_looks_around() {
    let story = async || {
        let site = Site::new();
        let ada = site.signed_in("ada", &[]).await;
        let mut again = sign_in("http://app.lan", false);
        ada.identify(&mut again);
        signed_in(&site, again).await;
        for path in ["/about", "/", "/login"] {
            let visit = Request::builder().uri(path).header(REFERER, "http://app.lan/");
            let visit = visit.header(ACCEPT, "text/html").body(Body::empty()).unwrap();
            assert_eq!(send(&site.router, visit).await.set_cookies(), [""; 0], "{path}");
        }
    };
    let ((), lines) = Log::of(story).await;
    let warnings = lines.iter().filter(|(level, _)| *level <= Level::WARN);
    assert_eq!(warnings.count(), 0, "{lines:?}");
}
