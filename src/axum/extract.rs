//! Extractors for handlers.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use http::request::Parts;

use crate::curfew::Curfew;
use crate::reject::RejectionCause;
use crate::request::{Asked, ReturnTo};
use crate::service::Context;
use crate::session::{ClientInfo, Presence, Session};

/// Extracts the living session. Without one, the user is sent to sign in, see
/// [`Rejection::response`](crate::reject::Rejection::response).
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let Context { presence, curfew, .. } = context(parts)?;
        let cause = match presence {
            Presence::Live(session) => return Ok(session.clone()),
            Presence::Ended(ended) => RejectionCause::Ended(ended),
            Presence::Anonymous => RejectionCause::Anonymous,
        };
        Err(curfew.turn_away(cause, &Asked::by_parts(parts)).map(Body::from))
    }
}

/// Extracts the living session, or `None` without one.
impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Response> {
        Ok(context(parts)?.presence.session().cloned())
    }
}

/// Extracts the result of the layer's check: a living session, an ended one, or no session.
impl<S: Sync> FromRequestParts<S> for Presence {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        Ok(context(parts)?.presence.clone())
    }
}

/// Extracts the handle that the layer was made from.
impl<S: Sync> FromRequestParts<S> for Curfew {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        Ok(context(parts)?.curfew.clone())
    }
}

/// Extracts the known details of the client. The address is known if the router is served with
/// `into_make_service_with_connect_info::<SocketAddr>()`.
impl<S: Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        Ok(context(parts)?.client(&parts.headers, &parts.extensions))
    }
}

/// Extracts the path to return to after signing in, from the query of this request.
impl<S: Sync> FromRequestParts<S> for ReturnTo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from_query(parts.uri.query()))
    }
}

impl ReturnTo {
    /// Redirects (303) to the path that the user came from, or to this path.
    pub fn or(&self, default: &str) -> Redirect {
        Redirect::to(self.path_or(default))
    }
}

fn context(parts: &Parts) -> Result<&Context, Response> {
    Context::of(&parts.extensions).ok_or_else(|| {
        let message =
            "this route is not behind tower-curfew: add `.layer(curfew.layer())` below it";
        (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
    })
}
