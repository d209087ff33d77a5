//! The check of one request: what it presents, what is known of that, and what becomes of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use super::body::MakeBody;
use super::config::Config;
use super::gate::{Decision, decide};
use crate::cookie::SetCookie;
use crate::curfew::{Checked, Curfew, Error};
use crate::reject::RejectionCause;
use crate::request::{Asked, RequestKind};
use crate::session::Presence;
use crate::token::Token;

/// The check of one request, which hands it back.
pub(super) type Check<B> =
    Pin<Box<dyn Future<Output = (Request<B>, Result<Checked, Error>)> + Send>>;

/// What checks requests.
#[derive(Clone)]
pub(super) struct Checker<M> {
    config: Arc<Config>,
    body: M,
}

/// A request that passes.
pub(super) struct Admission {
    pub(super) presence: Presence,
    /// What its response is to carry, if it can.
    pub(super) set_cookie: Option<SetCookie>,
}

impl<M> Checker<M> {
    pub(super) fn new(config: Arc<Config>, body: M) -> Self {
        Self { config, body }
    }

    pub(super) fn curfew(&self) -> &Curfew {
        &self.config.curfew
    }

    /// What the request presents as its session, if it verifies.
    pub(super) fn token(&self, headers: &HeaderMap) -> Option<Token> {
        self.curfew().credentials().read(headers).unwrap_or_else(|why| {
            self.curfew().refused(why, None, None);
            None
        })
    }

    pub(super) fn check<B: Send + 'static>(&self, token: Token, request: Request<B>) -> Check<B> {
        let curfew = self.curfew().clone();
        let activity = self.config.activity(&request);
        let (parts, body) = request.into_parts();
        Box::pin(async move {
            let client = || curfew.client_reader().read(&parts.headers, &parts.extensions);
            let checked = curfew.check(&token, activity, client).await;
            (Request::from_parts(parts, body), checked)
        })
    }

    /// Whether a checked request passes; if not, the answer.
    pub(super) fn admit<B>(
        &self,
        request: &Request<B>,
        checked: Result<Checked, Error>,
    ) -> Result<Admission, Response<Bytes>> {
        let turn_away = |cause| Err(self.curfew().turn_away(cause, &Asked::by(request)));
        let Checked { presence, refreshed } = match checked {
            Ok(checked) => checked,
            Err(error) => {
                tracing::warn!(error = %error.with_causes(), "a session could not be checked");
                return turn_away(RejectionCause::Unavailable);
            }
        };
        let kind = || RequestKind::of(request.headers());
        let is_open = || self.config.is_open(request);
        let set_cookie = match decide(self.config.mode, &presence, kind, is_open) {
            Decision::Passes => refreshed,
            Decision::PassesAndClears => Some(self.curfew().session_cookie().clear()),
            Decision::TurnedAway => {
                return turn_away(match &presence {
                    Presence::Ended(ended) => RejectionCause::Ended(ended),
                    Presence::Anonymous | Presence::Live(_) => RejectionCause::Anonymous,
                });
            }
        };
        Ok(Admission { presence, set_cookie })
    }

    pub(super) fn body<B>(&self, response: Response<Bytes>) -> Response<B>
    where
        M: MakeBody<B>,
    {
        response.map(|bytes| self.body.make_body(bytes))
    }
}
