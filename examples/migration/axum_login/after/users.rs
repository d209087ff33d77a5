//! The users, as an extractor that loads the one of each request.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use shared::is_user;
use tower_curfew::Session;

pub(crate) struct User(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        if !is_user(session.user()) {
            return Err(StatusCode::FORBIDDEN.into_response());
        }
        Ok(Self(session.user().to_owned()))
    }
}
