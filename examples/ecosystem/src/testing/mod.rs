//! How tests talk to an app.

mod failing_store;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderName, SET_COOKIE};
use axum::http::{HeaderValue, Request};
use axum::response::Response;
use tower::ServiceExt;
use tower_curfew::clock::ManualClock;
use tower_curfew::store::{MemoryStore, Store};
use tower_curfew::{Builder, ClientInfo, Curfew, Keyring, NewSession};

pub use self::failing_store::FailingStore;

/// A handle over an empty store, with a clock that the test moves.
pub fn handle(clock: &ManualClock) -> Builder {
    handle_over(MemoryStore::new(), clock)
}

/// The same over a store that the test has chosen.
///
/// # Panics
///
/// Never: it is the same key each time.
pub fn handle_over(store: impl Store, clock: &ManualClock) -> Builder {
    let keyring = Keyring::from_bytes([7; 32]).expect("a key has 32 bytes");
    Curfew::builder(store, keyring).clock(clock.clone())
}

/// The `Cookie` header of a browser in which this user has just logged in.
///
/// # Panics
///
/// If the session cannot be started.
pub async fn logged_in(curfew: &Curfew, user: &str) -> HeaderValue {
    let start = curfew.start(NewSession::for_user(user), &ClientInfo::for_tests()).await;
    start.expect("a store in memory answers").request_header()
}

/// A person who opens a page.
///
/// # Panics
///
/// If this is no path.
pub fn visit(path: &str) -> Request<Body> {
    let request = Request::get(path).header(ACCEPT, "text/html").body(Body::empty());
    request.expect("tests name paths")
}

/// A person who sends a form.
///
/// # Panics
///
/// If this is no path.
pub fn send_form(path: &str, form: &'static str) -> Request<Body> {
    let request = Request::post(path)
        .header(ACCEPT, "text/html")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(form.into()).expect("tests name paths")
}

/// The same request with this header.
pub fn with<B>(mut request: Request<B>, name: HeaderName, value: HeaderValue) -> Request<B> {
    request.headers_mut().insert(name, value);
    request
}

/// What the app answers to the browser that sends this cookie.
pub async fn ask(app: &Router, cookie: &HeaderValue, request: Request<Body>) -> Response {
    send(app, with(request, COOKIE, cookie.clone())).await
}

/// What the app answers.
///
/// # Panics
///
/// Never: a router fails at nothing.
pub async fn send(app: &Router, request: Request<Body>) -> Response {
    app.clone().oneshot(request).await.expect("a router is infallible")
}

/// Each `Set-Cookie` of a response.
///
/// # Panics
///
/// If one of them is no text.
pub fn cookies_set(response: &Response) -> Vec<String> {
    let cookies = response.headers().get_all(SET_COOKIE).iter();
    cookies.map(|cookie| cookie.to_str().expect("cookies are text").to_owned()).collect()
}

/// The body of a response.
///
/// # Panics
///
/// If it breaks off, or is no text.
pub async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("the body is whole");
    String::from_utf8(bytes.into()).expect("the body is text")
}
