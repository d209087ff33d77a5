//! What happens to a request from the check to its response.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::MakeBody;
use super::check::{Admission, Check, Checker};
use super::context;
use crate::cookie::{SetCookie, is_publicly_cacheable, keep_from_caches};
use crate::curfew::{Checked, Curfew, Error};
use crate::request::drops_secure_cookies;
use crate::session::Presence;

pin_project! {
    /// The response of a [`CurfewService`](super::CurfewService).
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
        Checking { check: Check<B>, inner: S, checker: Checker<M> },
        Admitted { #[pin] response: S::Future, pending: Option<Box<SetCookie>>, way_out: WayOut },
        TurnedAway { response: Option<S::Response> },
    }
}

/// What a response is looked at with.
struct WayOut {
    curfew: Curfew,
    /// Whether the browser keeps no cookie that is `Secure`.
    is_dropped: bool,
}

impl<S, M, B, R> ResponseFuture<S, M, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    M: MakeBody<R>,
{
    pub(super) fn checking(check: Check<B>, inner: S, checker: Checker<M>) -> Self {
        Self { state: State::Checking { check, inner, checker } }
    }

    pub(super) fn decided(
        request: Request<B>,
        checked: Result<Checked, Error>,
        inner: &mut S,
        checker: &Checker<M>,
    ) -> Self {
        match checker.admit(&request, checked) {
            Ok(admission) => Self::admitted(request, admission, inner, checker),
            Err(response) => {
                Self { state: State::TurnedAway { response: Some(checker.body(response)) } }
            }
        }
    }

    pub(super) fn admitted(
        mut request: Request<B>,
        Admission { presence, set_cookie }: Admission,
        inner: &mut S,
        checker: &Checker<M>,
    ) -> Self {
        let curfew = checker.curfew().clone();
        // Where it is not kept, nobody ever comes with it.
        let is_dropped =
            matches!(presence, Presence::Anonymous) && drops_secure_cookies(request.headers());
        context::Context { presence, curfew: curfew.clone() }.put_on(&mut request);
        let (pending, way_out) = (set_cookie.map(Box::new), WayOut { curfew, is_dropped });
        Self { state: State::Admitted { response: inner.call(request), pending, way_out } }
    }
}

impl<S, M, B, R> Future for ResponseFuture<S, M, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    M: MakeBody<R>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProjection::Checking { check, inner, checker } => {
                    let (request, checked) = ready!(check.as_mut().poll(cx));
                    Self::decided(request, checked, inner, checker)
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
    /// Puts a cookie that is due on a response, unless another request is to carry it: this one has
    /// none of its own to add to, or may be shown to others, or the handler has just set the cookie.
    fn see_to_the_cookie<R>(&self, pending: Option<Box<SetCookie>>, response: &mut Response<R>) {
        if self.curfew.session_cookie().is_set_by(response.headers()) {
            // What a handler returns beside its cookie may have overwritten what the cookie said.
            keep_from_caches(response.headers_mut());
            if self.is_dropped {
                self.curfew.tell_of_dropped_cookie();
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
