//! Requests that require recent authentication.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::Route;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use serde::Serialize;
use time::Duration;
use tower_layer::Layer;
use tower_service::Service;

use crate::curfew::Curfew;
use crate::reject::problem_with;
use crate::request::RequestKind;
use crate::session::Session;

/// A layer that requires recent authentication for requests that change state.
///
/// The user must have authenticated within the last `window`: at sign-in, or since by
/// [`Curfew::reauthenticated`]. OWASP ASVS 7.5.2 requires this before other sessions are ended.
/// `GET`, `HEAD` and `OPTIONS` pass in any case.
///
/// Other requests get a response that asks for reauthentication (RFC 9470):
///
/// | request | answer |
/// | --- | --- |
/// | navigation | 303 to [`confirm_at`](crate::Builder::confirm_at), or the login page |
/// | htmx | the response for an API client, with `HX-Redirect` to that page |
/// | API client | 401 with `WWW-Authenticate: … error="insufficient_user_authentication", max_age="900"`, and `application/problem+json` with `reason`, `max_age` in seconds and `login_url` |
///
/// A request without a session gets the same response as from the [`Session`] extractor.
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
        Ok(_) => stale(&curfew, window, RequestKind::of(request.headers())),
        Err(rejection) => rejection,
    }
}

/// The response to a signed-in user whose authentication is not recent enough (RFC 9470).
fn stale(curfew: &Curfew, window: Duration, kind: RequestKind) -> Response {
    let page = curfew.confirm_at();
    let location = HeaderValue::try_from(page).expect("it is checked when built");
    let mut response = if kind == RequestKind::Navigation {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SEE_OTHER;
        response.headers_mut().insert(LOCATION, location);
        response
    } else {
        let max_age = window.whole_seconds();
        let more = FreshSignInRequired { reason: ERROR, max_age, login_url: page };
        let title = "prove again who you are to do this";
        let mut response = problem_with(StatusCode::UNAUTHORIZED, title, more).map(Body::from);
        let scheme = match kind {
            RequestKind::Bearer => "Bearer".to_owned(),
            _ => {
                let name = curfew.session_cookie().name();
                format!(r#"Cookie form-action="{page}", cookie-name="{name}","#)
            }
        };
        let challenge = format!(
            r#"{scheme} error="{ERROR}", error_description="{title}", max_age="{max_age}""#
        );
        let challenge = HeaderValue::try_from(challenge).expect("all parts are checked when built");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        if kind == RequestKind::Htmx {
            response.headers_mut().insert("hx-redirect", location);
        }
        response
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const ERROR: &str = "insufficient_user_authentication";

#[derive(Serialize)]
struct FreshSignInRequired<'a> {
    reason: &'static str,
    max_age: i64,
    login_url: &'a str,
}
