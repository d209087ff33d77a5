//! The response future of the service: checking, then admitted or rejected.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::MakeBody;
use super::config::Config;
use super::context::Context;
use super::gate::{Decision, decide};
use crate::cookie::{SetCookie, is_publicly_cacheable, keep_from_caches};
use crate::curfew::{Activity, Checked, Curfew, Error};
use crate::meter;
use crate::reject::RejectionCause;
use crate::request::{Asked, RequestKind, drops_secure_cookies};
use crate::session::Presence;
use crate::token::Token;

pin_project! {
    /// The response future of a [`CurfewService`](super::CurfewService).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, M, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, M, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, M, B>
    where
        S: Service<Request<B>>,
    {
        Checking { check: Check<B>, inner: S, admission: Admission<M> },
        Admitted { #[pin] response: S::Future, pending: Option<Box<SetCookie>>, way_out: WayOut },
        TurnedAway { response: Option<S::Response> },
    }
}

/// The check of one request, which returns the request.
type Check<B> = Pin<Box<dyn Future<Output = (Request<B>, Result<Checked, Error>)> + Send>>;

/// The data that decides, after the check, whether a request is admitted.
pub(super) struct Admission<M> {
    config: Arc<Config>,
    is_open: bool,
    activity: Activity,
    body: M,
}

impl<M: Clone> Admission<M> {
    pub(super) fn new(config: &Arc<Config>, is_open: bool, activity: Activity, body: &M) -> Self {
        Self { config: config.clone(), is_open, activity, body: body.clone() }
    }
}

/// The data for the way back of a response.
struct WayOut {
    curfew: Curfew,
    /// Whether the browser drops a `Secure` cookie.
    is_dropped: bool,
}

impl<S, M, B, R> ResponseFuture<S, M, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    M: MakeBody<R>,
{
    /// Passes on a request that is not checked.
    pub(super) fn unchecked(request: Request<B>, inner: &mut S, config: &Config) -> Self {
        let context = Context {
            presence: Presence::Anonymous,
            curfew: config.curfew.clone(),
            activity: Activity::Active,
        };
        Self::admitted(request, context, None, inner)
    }

    /// Checks the token that a request has presented.
    pub(super) fn checking(
        request: Request<B>,
        token: Token,
        inner: S,
        admission: Admission<M>,
    ) -> Self
    where
        B: Send + 'static,
    {
        let (curfew, activity) = (admission.config.curfew.clone(), admission.activity);
        let (parts, body) = request.into_parts();
        let check = Box::pin(async move {
            let client = || curfew.client_reader().read(&parts.headers, &parts.extensions);
            let checked = curfew.check(&token, activity, client).await;
            (Request::from_parts(parts, body), checked)
        });
        Self { state: State::Checking { check, inner, admission } }
    }

    /// Decides on a request without valid credentials.
    pub(super) fn anonymous(request: Request<B>, inner: &mut S, admission: &Admission<M>) -> Self {
        let nobody = Checked::without_refresh(Presence::Anonymous);
        Self::decided(request, Ok(nobody), inner, admission)
    }

    /// Decides on a request by the result of its check.
    pub(super) fn decided(
        request: Request<B>,
        checked: Result<Checked, Error>,
        inner: &mut S,
        admission: &Admission<M>,
    ) -> Self {
        let Admission { config, is_open, activity, body, .. } = admission;
        let curfew = &config.curfew;
        let turned_away = |cause| {
            let response = curfew.turn_away(cause, &Asked::by(&request));
            let response = Some(response.map(|bytes: Bytes| body.make_body(bytes)));
            Self { state: State::TurnedAway { response } }
        };
        let Checked { presence, refreshed } = match checked {
            Ok(checked) => checked,
            Err(error) => {
                meter::request("unavailable");
                tracing::warn!(error = %error.with_causes(), "a session could not be checked");
                return turned_away(RejectionCause::Unavailable);
            }
        };
        meter::request(presence.as_str());
        let kind = || RequestKind::of(request.headers());
        let set_cookie = match decide(config.mode, &presence, *is_open, kind) {
            Decision::Passes => refreshed,
            Decision::PassesAndClears => Some(curfew.session_cookie().clear()),
            Decision::TurnedAway => {
                return turned_away(match &presence {
                    Presence::Ended(ended) => RejectionCause::Ended(ended),
                    Presence::Anonymous | Presence::Live(_) => RejectionCause::Anonymous,
                });
            }
        };
        let context = Context { presence, curfew: curfew.clone(), activity: *activity };
        Self::admitted(request, context, set_cookie, inner)
    }

    fn admitted(
        mut request: Request<B>,
        context: Context,
        set_cookie: Option<SetCookie>,
        inner: &mut S,
    ) -> Self {
        // A browser that dropped the cookie never sends one.
        let is_dropped = matches!(context.presence, Presence::Anonymous)
            && drops_secure_cookies(request.headers());
        let way_out = WayOut { curfew: context.curfew.clone(), is_dropped };
        request.extensions_mut().insert(context);
        let pending = set_cookie.map(Box::new);
        Self { state: State::Admitted { response: inner.call(request), pending, way_out } }
    }
}

impl<S, M, B, R> Future for ResponseFuture<S, M, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    M: MakeBody<R>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProjection::Checking { check, inner, admission } => {
                    let (request, checked) = ready!(check.as_mut().poll(cx));
                    Self::decided(request, checked, inner, admission)
                }
                StateProjection::Admitted { response, pending, way_out } => {
                    let mut response = ready!(response.poll(cx))?;
                    way_out.see_to_the_cookie(pending.take(), &mut response);
                    return Poll::Ready(Ok(response));
                }
                StateProjection::TurnedAway { response } => {
                    let response = response.take().expect("polled after completion");
                    return Poll::Ready(Ok(response));
                }
            };
            self.set(next);
        }
    }
}

impl WayOut {
    /// Adds a due cookie to a response. Another request carries it instead if this response cannot
    /// be changed or may be shown to others, or if the handler has just set the cookie.
    fn see_to_the_cookie<R>(&self, pending: Option<Box<SetCookie>>, response: &mut Response<R>) {
        if self.curfew.session_cookie().is_set_by(response.headers()) {
            // Other values that a handler returns may have overwritten the cookie's cache headers.
            keep_from_caches(response.headers_mut());
            if self.is_dropped {
                self.curfew.advise_on_dropped_cookie();
            }
        } else if let Some(pending) = pending
            && response.status() != StatusCode::NOT_MODIFIED
            && !is_publicly_cacheable(response.headers())
        {
            pending.append_to(response.headers_mut());
        }
    }
}

impl<S, M, B> fmt::Debug for ResponseFuture<S, M, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
