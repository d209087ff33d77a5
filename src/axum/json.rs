//! What all JSON routes share.

use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::reject;

pub(super) fn problem(status: StatusCode, title: &str) -> Response {
    reject::problem(status, title).map(Body::from)
}

/// What is wrong with one field, and between which numbers it must be.
pub(super) fn problem_of(field: &str, title: &str, (least, most): (i64, i64)) -> Response {
    let more = format!(r#","field":"{field}","minimum":{least},"maximum":{most}"#);
    reject::problem_with(StatusCode::UNPROCESSABLE_ENTITY, title, &more).map(Body::from)
}

/// A body that is not the JSON it should be.
pub(super) fn unreadable(rejection: &JsonRejection) -> Response {
    problem(rejection.status(), &rejection.body_text())
}

/// What one person asked for must not be shown to another.
pub(super) async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Refuses changing requests that another site made a browser send.
pub(super) fn same_origin() -> CsrfLayer<impl Fn(ProtectionError) -> Response + Clone> {
    CsrfLayer::new().with_rejection_response(|_| {
        problem(StatusCode::FORBIDDEN, "another site has sent this request")
    })
}
