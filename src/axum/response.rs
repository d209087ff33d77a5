//! What handlers may return.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

use crate::curfew::{Error, ErrorKind};
use crate::reject::{Caller, problem, unavailable};
use crate::token::SetCookie;

/// Sets the cookie, together with `Cache-Control: no-store` and `Vary: Cookie`.
impl IntoResponseParts for SetCookie {
    type Error = Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, Infallible> {
        self.append_to(response.headers_mut());
        Ok(response)
    }
}

impl IntoResponse for SetCookie {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

/// `application/problem+json` with the status that [`Error`] documents.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = match self.kind() {
            ErrorKind::Unavailable => {
                tracing::warn!(error = %self.with_causes(), "a call on sessions failed");
                unavailable(Caller::Background)
            }
            ErrorKind::SignInRequired => problem(StatusCode::UNAUTHORIZED, &self.to_string()),
            ErrorKind::TooManySessions => problem(StatusCode::CONFLICT, &self.to_string()),
            ErrorKind::InvalidName => problem(StatusCode::UNPROCESSABLE_ENTITY, &self.to_string()),
        };
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
        response.map(Body::from)
    }
}
