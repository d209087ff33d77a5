//! Which requests the layer lets through.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use tower_layer::Layer;

use super::service::CurfewService;
use crate::curfew::{Activity, Curfew};
use crate::reject::{is_plain, original_uri};

/// The layer that checks the session of each request.
///
/// Made by [`Curfew::layer`], it knows three modes:
///
/// | | nobody signed in | session ended | session alive |
/// | --- | --- | --- | --- |
/// | default | passes | navigations are turned away, the rest passes | passes |
/// | [`required`](Self::required) | turned away | turned away | passes |
/// | [`optional`](Self::optional) | passes | passes | passes |
///
/// What passes sees its [`Presence`](crate::Presence). The login page and the paths given to
/// [`open`](Self::open) always pass, CORS preflights too. If the store does not answer for a request
/// with a session cookie, the answer is 503 in every mode and on every path.
#[derive(Clone)]
#[must_use]
pub struct CurfewLayer<M = FromBytes> {
    guard: Arc<Guard>,
    body: M,
}

/// What the layer and all its services share.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) curfew: Curfew,
    mode: Mode,
    open: Vec<String>,
    passive: Vec<String>,
}

/// Whom the layer turns away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    EndedNavigations,
    AllButLive,
    Nobody,
}

impl Curfew {
    /// The layer for a router or any other service.
    pub fn layer(&self) -> CurfewLayer {
        let login_at = self.login_at();
        let login_path = login_at.split('?').next().unwrap_or(login_at).to_owned();
        let guard = Guard {
            curfew: self.clone(),
            mode: Mode::EndedNavigations,
            open: vec![login_path],
            passive: Vec::new(),
        };
        CurfewLayer { guard: Arc::new(guard), body: FromBytes }
    }
}

impl<M> CurfewLayer<M> {
    /// Nobody passes without a living session.
    pub fn required(self) -> Self {
        self.with(|guard| guard.mode = Mode::AllButLive)
    }

    /// Nobody is turned away. Handlers decide by the [`Presence`](crate::Presence) that they see.
    pub fn optional(self) -> Self {
        self.with(|guard| guard.mode = Mode::Nobody)
    }

    /// Paths that always pass, as the client writes them: exactly this one, or all that begin so
    /// where it ends with `/*`.
    ///
    /// # Panics
    ///
    /// If one of them is no plain path that begins with `/`, or has a `*` elsewhere.
    pub fn open(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|guard| guard.open.extend(patterns(paths)))
    }

    /// Paths whose requests are no activity, in the form of [`open`](Self::open): what a page asks
    /// for by itself, again and again. Such a request is checked as any other, but neither moves the
    /// idle limit nor refreshes the cookie.
    ///
    /// `GET` of a path that ends in `/session`, by which a page asks how long its session lasts, is
    /// passive in any case.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    pub fn passive(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|guard| guard.passive.extend(patterns(paths)))
    }

    /// Answers rejections with bodies made by `make`, for services whose body type is not
    /// `From<Bytes>`.
    pub fn body_with<F>(self, make: F) -> CurfewLayer<F> {
        CurfewLayer { guard: self.guard, body: make }
    }

    fn with(mut self, change: impl FnOnce(&mut Guard)) -> Self {
        change(Arc::make_mut(&mut self.guard));
        self
    }
}

impl Guard {
    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a request always passes.
    pub(super) fn is_open<B>(&self, request: &Request<B>) -> bool {
        is_among(&self.open, original_uri(request.uri(), request.extensions()).path())
    }

    pub(super) fn activity<B>(&self, request: &Request<B>) -> Activity {
        let path = original_uri(request.uri(), request.extensions()).path();
        let asks_how_long =
            path.ends_with("/session") && matches!(*request.method(), Method::GET | Method::HEAD);
        if asks_how_long || is_among(&self.passive, path) {
            Activity::Passive
        } else {
            Activity::Active
        }
    }
}

/// The patterns of paths that an app gives.
fn patterns(paths: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let checked = |path: String| {
        let start = path.strip_suffix("/*").unwrap_or(&path);
        let plain = is_plain(&path) && !start.contains(['?', '#', '*']);
        assert!(plain, "{path:?} is no path; write \"/about\" or \"/assets/*\"");
        path
    };
    paths.into_iter().map(|path| checked(path.into())).collect()
}

/// Whether one of the patterns means this path. One that others may read as another path is meant
/// by none.
fn is_among(patterns: &[String], path: &str) -> bool {
    let means = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == pattern,
    };
    patterns.iter().any(means) && is_plain(path)
}

impl<S, M: Clone> Layer<S> for CurfewLayer<M> {
    type Service = CurfewService<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        CurfewService::new(inner, self.guard.clone(), self.body.clone())
    }
}

impl<M> fmt::Debug for CurfewLayer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurfewLayer")
            .field("mode", &self.guard.mode)
            .field("open", &self.guard.open)
            .field("passive", &self.guard.passive)
            .finish_non_exhaustive()
    }
}

/// Makes the body of a rejection from its bytes. Closures implement it.
pub trait MakeBody<B> {
    /// The body.
    fn make_body(&self, bytes: Bytes) -> B;
}

/// Makes any body that is `From<Bytes>`, as those of axum and `http_body_util::Full` are.
#[derive(Clone, Copy, Debug, Default)]
pub struct FromBytes;

impl<B: From<Bytes>> MakeBody<B> for FromBytes {
    fn make_body(&self, bytes: Bytes) -> B {
        bytes.into()
    }
}

impl<B, F: Fn(Bytes) -> B> MakeBody<B> for F {
    fn make_body(&self, bytes: Bytes) -> B {
        self(bytes)
    }
}
