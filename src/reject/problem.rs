//! Problem details for API clients: `application/problem+json` (RFC 9457).

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::request::RequestKind;

#[derive(Serialize)]
struct Problem<'a, M> {
    title: &'a str,
    status: u16,
    #[serde(flatten)]
    more: M,
}

/// No members beside the usual ones.
#[derive(Serialize)]
struct NoMore {}

pub(crate) fn problem(status: StatusCode, title: &str) -> Response<Bytes> {
    problem_with(status, title, NoMore {})
}

/// A problem with additional members.
pub(crate) fn problem_with(
    status: StatusCode,
    title: &str,
    more: impl Serialize,
) -> Response<Bytes> {
    let problem = Problem { title, status: status.as_u16(), more };
    let body =
        serde_json::to_vec(&problem).expect("its members have names, and are text or numbers");
    answer(status, "application/problem+json", body.into())
}

/// 503: every session is rejected but stays signed in, and a later try may reach the store again.
pub(crate) fn unavailable(kind: RequestKind) -> Response<Bytes> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let title = "sessions cannot be checked just now; try again in a moment";
    let mut response = if kind == RequestKind::Navigation {
        answer(status, "text/plain; charset=utf-8", Bytes::from_static(title.as_bytes()))
    } else {
        problem(status, title)
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
