//! How an error of each library looks to the browser.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum_login::AuthnBackend;

/// The answer of a handler that cannot go on.
pub struct Failure(Response);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0
    }
}

/// It is a response already: 503 where the store does not answer, 401 where the user has to sign in.
impl From<tower_curfew::Error> for Failure {
    fn from(error: tower_curfew::Error) -> Self {
        Self(error.into_response())
    }
}

impl From<tower_sessions::session::Error> for Failure {
    fn from(_: tower_sessions::session::Error) -> Self {
        unavailable()
    }
}

/// That of the version that axum-login is made for.
impl From<axum_login::tower_sessions::session::Error> for Failure {
    fn from(_: axum_login::tower_sessions::session::Error) -> Self {
        unavailable()
    }
}

impl<B: AuthnBackend> From<axum_login::Error<B>> for Failure {
    fn from(_: axum_login::Error<B>) -> Self {
        unavailable()
    }
}

fn unavailable() -> Failure {
    Failure(StatusCode::SERVICE_UNAVAILABLE.into_response())
}
