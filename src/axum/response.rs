//! Values that handlers return.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};

use crate::cookie::SetCookie;
use crate::curfew::{Error, ErrorKind};

/// Sets the cookie, and keeps caches away as [`SetCookie::append_to`] does. The layer makes sure
/// that other parts of the same tuple do not undo this.
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

/// The same response as [`Error::response`]. An error of the store is logged.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if self.kind() == ErrorKind::Unavailable {
            tracing::warn!(error = %self.with_causes(), "a call on sessions failed");
        }
        self.response().map(Body::from)
    }
}
