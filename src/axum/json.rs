//! Shared parts of all JSON routes.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::rejection::JsonRejection;
use axum::middleware::{map_request, map_response};
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, ORIGIN};
use serde::Serialize;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::reject;
use crate::request::bears_our_token;
use crate::service::Context;

pub(super) fn problem(status: StatusCode, title: &str) -> Response {
    reject::problem(status, title).map(Body::from)
}

/// The problem with one field, and the range it must be in.
pub(super) fn problem_of(field: &str, title: &str, (least, most): (i64, i64)) -> Response {
    let more = OutOfBounds { field, minimum: least, maximum: most };
    reject::problem_with(StatusCode::UNPROCESSABLE_ENTITY, title, more).map(Body::from)
}

#[derive(Serialize)]
struct OutOfBounds<'a> {
    field: &'a str,
    minimum: i64,
    maximum: i64,
}

/// The response to a body that is not valid JSON for the route.
pub(super) fn unreadable(rejection: &JsonRejection) -> Response {
    problem(rejection.status(), &rejection.body_text())
}

/// Rejects cross-site requests that change state, and keeps caches away from the answers.
pub(super) fn protected<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    let same_origin = CsrfLayer::new().with_rejection_response(|_: ProtectionError| {
        problem(StatusCode::FORBIDDEN, "another site has sent this request")
    });
    routes.layer(same_origin).layer(map_request(vouch)).layer(map_response(no_store))
}

/// Removes the headers of another origin from a request that is not a cross-site forgery: browsers
/// do not send tokens by themselves, and the app trusts some origins.
async fn vouch(mut request: Request) -> Request {
    let trusts = |origin| {
        Context::of(request.extensions())
            .is_some_and(|context| context.curfew.trusts_origin(origin))
    };
    let trusted = request.headers().get(ORIGIN).is_some_and(trusts);
    if trusted || bears_our_token(request.headers()) {
        request.headers_mut().remove(ORIGIN);
        request.headers_mut().remove("sec-fetch-site");
    }
    request
}

/// An answer for one user must not be shown to another.
async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
