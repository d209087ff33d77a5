//! Requests that want a fresh sign-in.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::Route;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;
use time::Duration;
use tower_layer::Layer;
use tower_service::Service;

use crate::curfew::Curfew;
use crate::reject::problem_with;
use crate::session::Session;

/// A layer that lets changing requests pass only if the person proved who they are within the last
/// `window`: at sign-in, or since by [`Curfew::reauthenticated`]. OWASP ASVS 7.5.2 asks for it before
/// other sessions are ended. `GET`, `HEAD` and `OPTIONS` pass in any case.
///
/// Everybody else gets 403 as `application/problem+json`, with the `reason` `fresh sign-in required`
/// and a `login_url`; and whoever has no session at all what [`Session`] answers.
///
/// ```
/// use time::Duration;
/// use tower_curfew::{account_routes, fresh_within};
///
/// # let _: axum::Router<tower_curfew::Curfew> =
/// account_routes().route_layer(fresh_within(Duration::minutes(15)));
/// ```
pub fn fresh_within(
    window: Duration,
) -> impl Layer<
    Route,
    Service = impl Service<
        Request,
        Response = Response,
        Error = Infallible,
        Future = impl Send + 'static,
    > + Clone
              + Send
              + Sync
              + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    from_fn_with_state(window, pass_fresh)
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
