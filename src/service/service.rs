//! What happens to a request on its way in.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use tower_service::Service;

use super::future::{Check, ResponseFuture};
use super::layer::{Guard, MakeBody, Mode};
use crate::curfew::{Checked, Curfew, Error};
use crate::event::RefusalReason;
use crate::reject::{Asked, RejectionCause, RequestKind};
use crate::session::Presence;
use crate::token::{Presented, SetCookie, Token};

/// The service that checks the session of each request, made by [`CurfewLayer`](super::CurfewLayer).
#[derive(Clone)]
pub struct CurfewService<S, M> {
    inner: S,
    door: Door<M>,
}

impl<S, M> CurfewService<S, M> {
    pub(super) fn new(inner: S, guard: Arc<Guard>, body: M) -> Self {
        Self { inner, door: Door { guard, body } }
    }
}

impl<S, M> fmt::Debug for CurfewService<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurfewService").finish_non_exhaustive()
    }
}

impl<S, M, ReqBody, ResBody> Service<Request<ReqBody>> for CurfewService<S, M>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    M: MakeBody<ResBody> + Clone,
    ReqBody: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, M, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The clone may not be ready; the original is. See "Be careful when cloning inner services"
        // in tower-service.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        if is_preflight(&request) {
            let passed = Passed { presence: Presence::Anonymous, set_cookie: None };
            return ResponseFuture::passed(request, passed, &mut inner, &self.door);
        }
        match self.door.token(request.headers()) {
            Some(token) => {
                let check = self.door.check(token, request);
                ResponseFuture::checking(check, inner, self.door.clone())
            }
            None => {
                let nobody = Checked::without_refresh(Presence::Anonymous);
                ResponseFuture::decided(request, Ok(nobody), &mut inner, &self.door)
            }
        }
    }
}

/// A CORS preflight never carries cookies, and must not be redirected.
fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Where it is decided who passes.
#[derive(Clone)]
pub(super) struct Door<M> {
    guard: Arc<Guard>,
    body: M,
}

/// A request that passes.
pub(super) struct Passed {
    pub(super) presence: Presence,
    /// What its response is to carry, if it can.
    pub(super) set_cookie: Option<SetCookie>,
}

impl<M> Door<M> {
    pub(super) fn curfew(&self) -> &Curfew {
        &self.guard.curfew
    }

    /// What the request presents as its session, if it verifies.
    fn token(&self, headers: &HeaderMap) -> Option<Token> {
        let (presented, signer) = self.curfew().presented(headers);
        let why = match presented {
            Presented::Nothing => return None,
            Presented::One(value) => match signer.verify(value) {
                Some(token) => return Some(token),
                None => RefusalReason::Unverified,
            },
            Presented::Conflicting => RefusalReason::Conflicting,
        };
        self.curfew().refused(why, None, None);
        None
    }

    fn check<B: Send + 'static>(&self, token: Token, request: Request<B>) -> Check<B> {
        let curfew = self.curfew().clone();
        let activity = self.guard.activity(&request);
        let (parts, body) = request.into_parts();
        Box::pin(async move {
            let client = || curfew.client_reader().read(&parts.headers, &parts.extensions);
            let checked = curfew.check(&token, activity, client).await;
            (Request::from_parts(parts, body), checked)
        })
    }

    /// Whether a checked request passes; if not, the answer.
    pub(super) fn decide<B>(
        &self,
        request: &Request<B>,
        checked: Result<Checked, Error>,
    ) -> Result<Passed, Response<Bytes>> {
        let curfew = self.curfew();
        let mode = self.guard.mode();
        let turn_away = |cause| Err(curfew.turn_away(cause, &Asked::by(request)));
        match checked {
            Err(error) => {
                tracing::warn!(error = %error.with_causes(), "a session could not be checked");
                turn_away(RejectionCause::Unavailable)
            }
            Ok(Checked { presence: Presence::Anonymous, .. })
                if mode == Mode::AllButLive && !self.guard.is_open(request) =>
            {
                turn_away(RejectionCause::Anonymous)
            }
            Ok(Checked { presence: Presence::Ended(ended), .. }) => {
                let navigates = RequestKind::of(request.headers()) == RequestKind::Navigation;
                let turned_away = match mode {
                    Mode::EndedNavigations => navigates,
                    Mode::AllButLive => true,
                    Mode::Nobody => false,
                };
                let open = self.guard.is_open(request);
                if turned_away && !open {
                    return turn_away(RejectionCause::Ended(&ended));
                }
                let clear = (open && navigates).then(|| curfew.session_cookie().clear());
                Ok(Passed { presence: Presence::Ended(ended), set_cookie: clear })
            }
            Ok(Checked { presence, refreshed }) => Ok(Passed { presence, set_cookie: refreshed }),
        }
    }

    pub(super) fn body<B>(&self, response: Response<Bytes>) -> Response<B>
    where
        M: MakeBody<B>,
    {
        response.map(|bytes| self.body.make_body(bytes))
    }
}
