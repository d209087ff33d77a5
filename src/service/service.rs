//! What happens to a request on its way in.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, header};
use tower_service::Service;

use super::body::MakeBody;
use super::check::{Admission, Checker};
use super::config::Config;
use super::future::ResponseFuture;
use crate::curfew::Checked;
use crate::session::Presence;

/// The service that checks the session of each request, made by [`CurfewLayer`](super::CurfewLayer).
#[derive(Clone)]
pub struct CurfewService<S, M> {
    inner: S,
    checker: Checker<M>,
}

impl<S, M> CurfewService<S, M> {
    pub(super) fn new(inner: S, config: Arc<Config>, body: M) -> Self {
        Self { inner, checker: Checker::new(config, body) }
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
            let admission = Admission { presence: Presence::Anonymous, set_cookie: None };
            return ResponseFuture::admitted(request, admission, &mut inner, &self.checker);
        }
        match self.checker.token(request.headers()) {
            Some(token) => {
                let check = self.checker.check(token, request);
                ResponseFuture::checking(check, inner, self.checker.clone())
            }
            None => {
                let nobody = Checked::without_refresh(Presence::Anonymous);
                ResponseFuture::decided(request, Ok(nobody), &mut inner, &self.checker)
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
