//! The way of a request into the service.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, header};
use tower_service::Service;

use super::body::MakeBody;
use super::config::Config;
use super::future::{Admission, ResponseFuture};
use crate::curfew::Activity;
use crate::request::{is_plain_to_all, original_uri};

/// The service that checks the session of each request, made by
/// [`CurfewLayer`](super::CurfewLayer).
#[derive(Clone)]
pub struct CurfewService<S, M> {
    inner: S,
    config: Arc<Config>,
    body: M,
}

impl<S, M> CurfewService<S, M> {
    pub(super) fn new(inner: S, config: Arc<Config>, body: M) -> Self {
        Self { inner, config, body }
    }

    /// Returns the inner service, which handles admitted requests.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service, for use without the check.
    pub fn into_inner(self) -> S {
        self.inner
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
        let config = &self.config;
        if is_preflight(&request) {
            return ResponseFuture::unchecked(request, &mut self.inner, config);
        }
        let path = original_uri(request.uri(), request.extensions()).path();
        let is_passive = is_among(&config.passive, path);
        let activity = if is_passive { Activity::Passive } else { Activity::Active };
        let must_ask = is_uncached(config, path);
        let admission = Admission::new(config, is_among(&config.open, path), activity, &self.body);
        let token = match config.curfew.credentials().read(request.headers()) {
            Ok(Some(token)) => token,
            Ok(None) => return ResponseFuture::anonymous(request, &mut self.inner, &admission),
            Err(why) => {
                config.curfew.refused(why, None, None);
                return ResponseFuture::anonymous(request, &mut self.inner, &admission);
            }
        };
        if !must_ask && let Some(checked) = config.curfew.check_now(&token, activity) {
            return ResponseFuture::decided(request, Ok(checked), &mut self.inner, &admission);
        }
        // The clone may not be ready; the original is. See "Be careful when cloning inner services"
        // in tower-service.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        ResponseFuture::checking(request, token, inner, admission)
    }
}

/// A CORS preflight never carries cookies, and must not be redirected.
fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether the cache is bypassed. A path that another server may read differently could be one of
/// these paths.
fn is_uncached(config: &Config, path: &str) -> bool {
    let patterns = &config.uncached;
    !patterns.is_empty() && (is_meant(patterns, path) || !is_plain_to_all(path))
}

/// Whether one of the patterns matches this path. A path that another server may read differently
/// never matches.
fn is_among(patterns: &[String], path: &str) -> bool {
    is_meant(patterns, path) && is_plain_to_all(path)
}

fn is_meant(patterns: &[String], path: &str) -> bool {
    let means = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == pattern,
    };
    patterns.iter().any(means)
}

impl<S, M> fmt::Debug for CurfewService<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurfewService").finish_non_exhaustive()
    }
}
