//! The same app over each crate: `/` answers with the user's name, and `/sign-in/{user}` signs somebody
//! in without asking who they are.

pub mod actix;
mod axess;
mod axum_login;
mod axum_session;
mod bare;
mod ours;
mod tower_sessions;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use tower::ServiceExt as _;
use tower_curfew::store::{MemoryStore, Near, Store as _};

pub use self::ours::{curfew, whoami_of};
pub use self::tower_sessions::over as tower_sessions_over;

/// Who is signed in. Some crates know users by such names only.
pub const USER: &str = "0190a5b2-7c4e-7d10-9f3a-5b6c7d8e9f01";

pub const BARE: &str = "bare axum";
pub const NO_OP: &str = "a layer that does nothing";
pub const EXTENSION: &str = "a layer that inserts an extension";
pub const OURS: &str = "tower-curfew";
pub const OURS_FULL: &str = "tower-curfew, with device, address and organization";
pub const OURS_POLICY: &str = "tower-curfew, the organization has a policy";
pub const OURS_NEAR: &str = "tower-curfew, near";
pub const TOWER_SESSIONS: &str = "tower-sessions, signed";
pub const ALWAYS_SAVE: &str = "tower-sessions, signed, always saving";
pub const AXUM_LOGIN: &str = "axum-login on tower-sessions, signed";
pub const AXUM_SESSION: &str = "axum_session";
pub const AXUM_SESSION_SIGNED: &str = "axum_session, signed";
pub const AXESS: &str = "axess-core";

/// All of them over memory, in the order of the tables.
pub const ALL: &[&str] = &[
    BARE,
    NO_OP,
    EXTENSION,
    OURS,
    OURS_FULL,
    OURS_POLICY,
    OURS_NEAR,
    TOWER_SESSIONS,
    ALWAYS_SAVE,
    AXUM_LOGIN,
    AXUM_SESSION,
    AXUM_SESSION_SIGNED,
    AXESS,
];

/// The app of that name, with nobody signed in.
pub async fn named(name: &str) -> Router {
    match name {
        BARE => bare::app(),
        NO_OP => bare::app().layer(bare::NoOpLayer),
        EXTENSION => bare::extended(),
        OURS => ours::plain(MemoryStore::new()),
        OURS_FULL => ours::full(MemoryStore::new()),
        OURS_POLICY => ours::with_policy(MemoryStore::new()).await,
        OURS_NEAR => ours::full(MemoryStore::new().near(Near::default())),
        TOWER_SESSIONS => tower_sessions::in_memory(false),
        ALWAYS_SAVE => tower_sessions::in_memory(true),
        AXUM_LOGIN => axum_login::app(),
        AXUM_SESSION => axum_session::app(false).await,
        AXUM_SESSION_SIGNED => axum_session::app(true).await,
        AXESS => axess::app(),
        name => panic!("there is no app `{name}`"),
    }
}

/// What every request carries: some crates look at the browser's name.
pub fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers
}

pub const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Cookies of others, before that of a session.
pub const OTHER_COOKIES: &str = "theme=dark; consent=analytics%3A0%2Cads%3A0%2Cat%3A1764460800; \
    visitor=8c1f0a52-6d3b-4e0e-9a44-0b1d2c3e4f50; \
    campaign=utm_source%3Dnewsletter%26utm_medium%3Demail%26utm_campaign%3Dautumn; ";

/// Signs somebody in, and gives the cookies that the answer sets.
pub async fn sign_in(app: &Router, user: &str) -> HeaderValue {
    let mut request =
        Request::get(format!("/sign-in/{user}")).body(Body::empty()).expect("a request");
    *request.headers_mut() = headers();
    let Ok(response) = app.clone().oneshot(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let set = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs = set.map(|cookie| cookie.to_str().expect("text").split(';').next().expect("a pair"));
    Vec::from_iter(pairs).join("; ").parse().expect("a header")
}

/// A request of whoever has these cookies.
pub fn request(cookies: &HeaderValue) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.headers_mut() = headers();
    request.headers_mut().insert(header::COOKIE, cookies.clone());
    request
}

/// An answer that is not the user's name would be the fastest.
pub async fn assert_is_answered(response: Response) {
    assert_eq!(response.status(), StatusCode::OK);
    let body = to_bytes(response.into_body(), 1024).await.expect("a body");
    assert_eq!(body, USER);
}
