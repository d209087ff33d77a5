//! Requests that want a fresh sign-in.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;
use time::Duration;

use crate::curfew::Curfew;
use crate::reject::problem_with;
use crate::session::Session;

/// What a router of axum can ask of sessions.
pub trait RouterExt {
    /// Lets changing requests pass only if the person proved who they are within the last `window`:
    /// at sign-in, or since by [`Curfew::reauthenticated`]. OWASP ASVS 7.5.2 asks for it before other
    /// sessions are ended. `GET`, `HEAD` and `OPTIONS` pass in any case.
    ///
    /// Everybody else gets 403 as `application/problem+json`, with the `reason` `fresh sign-in
    /// required` and a `login_url`; and whoever has no session at all what [`Session`] answers.
    ///
    /// # Panics
    ///
    /// If the router has no routes yet.
    #[must_use]
    fn fresh_within(self, window: Duration) -> Self;
}

impl<S: Clone + Send + Sync + 'static> RouterExt for Router<S> {
    fn fresh_within(self, window: Duration) -> Self {
        self.route_layer(from_fn_with_state(window, pass_fresh))
    }
}

async fn pass_fresh(
    State(window): State<Duration>,
    session: Result<Session, Response>,
    curfew: Curfew,
    request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    match session {
        Ok(session) if session.authenticated_within(window) => next.run(request).await,
        Ok(_) => stale(&curfew),
        Err(rejection) => rejection,
    }
}

fn stale(curfew: &Curfew) -> Response {
    let title = "prove again who you are to do this";
    let login_url = curfew.login_at();
    let more = FreshSignInRequired { reason: "fresh sign-in required", login_url };
    let mut response = problem_with(StatusCode::FORBIDDEN, title, more).map(Body::from);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[derive(Serialize)]
struct FreshSignInRequired<'a> {
    reason: &'static str,
    login_url: &'a str,
}
