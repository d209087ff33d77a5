//! The layer, and how it is set up.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::body::FromBytes;
use super::config::{Config, Mode};
use super::service::CurfewService;
use crate::curfew::Curfew;
use crate::request::is_plain_to_all;

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
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
/// # use tower_curfew::{Curfew, Keyring, store::MemoryStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # let curfew = Curfew::builder(MemoryStore::new(), Keyring::from_bytes([7; 32])?).build()?;
/// let members_only = ServiceBuilder::new()
///     .layer(curfew.layer().required().open(["/about", "/assets/*"]))
///     .service(service_fn(async |_: Request<()>| {
///         Ok::<_, std::convert::Infallible>(Response::new(Bytes::from_static(b"hello")))
///     }));
///
/// let about = Request::get("/about").body(())?;
/// assert_eq!(members_only.clone().oneshot(about).await?.status(), StatusCode::OK);
/// let inside = Request::get("/inside").body(())?;
/// assert_eq!(members_only.oneshot(inside).await?.status(), StatusCode::UNAUTHORIZED);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct CurfewLayer<M = FromBytes> {
    config: Arc<Config>,
    body: M,
}

impl Curfew {
    /// The layer for a router or any other service.
    pub fn layer(&self) -> CurfewLayer {
        let login_at = self.login_at();
        let login_path = login_at.split('?').next().unwrap_or(login_at).to_owned();
        let config = Config {
            curfew: self.clone(),
            mode: Mode::EndedNavigations,
            open: vec![login_path],
            passive: Vec::new(),
            uncached: Vec::new(),
        };
        CurfewLayer { config: Arc::new(config), body: FromBytes }
    }
}

impl<M> CurfewLayer<M> {
    /// Nobody passes without a living session.
    pub fn required(self) -> Self {
        self.with(|config| config.mode = Mode::AllButLive)
    }

    /// Nobody is turned away. Handlers decide by the [`Presence`](crate::Presence) that they see.
    pub fn optional(self) -> Self {
        self.with(|config| config.mode = Mode::Nobody)
    }

    /// Paths that always pass, as the client writes them: exactly this one, or all that begin so
    /// where it ends with `/*`. A path that some server may read as another one is never among them,
    /// such as `/assets/..;/admin`: with `.` or `..`, a `;`, an encoded slash, backslash or control
    /// character, bytes that are not UTF-8, or what is encoded twice.
    ///
    /// # Panics
    ///
    /// If one of them is no plain path that begins with `/`, or has a `*` elsewhere.
    pub fn open(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|config| config.open.extend(patterns(paths)))
    }

    /// Paths whose requests are no activity, in the form of [`open`](Self::open): what a page asks
    /// for by itself, again and again. Such a request is checked as any other, but neither moves the
    /// idle limit nor refreshes the cookie.
    ///
    /// Give it the path of `GET /session` of the [routes](crate::account_routes), by which a page asks how
    /// long its session lasts.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    pub fn passive(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|config| config.passive.extend(patterns(paths)))
    }

    /// Paths whose requests are checked by what the store says, in the form of [`open`](Self::open), even if
    /// there is a [cache](crate::store::Store::near) in front of it: what a session that was revoked a
    /// second ago must not do.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    #[cfg(feature = "near")]
    #[cfg_attr(docsrs, doc(cfg(feature = "near")))]
    pub fn uncached(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|config| config.uncached.extend(patterns(paths)))
    }

    /// Answers rejections with bodies made by `make`, for services whose body type is not
    /// `From<Bytes>`.
    pub fn body_with<F>(self, make: F) -> CurfewLayer<F> {
        CurfewLayer { config: self.config, body: make }
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<S, M: Clone> Layer<S> for CurfewLayer<M> {
    type Service = CurfewService<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        CurfewService::new(inner, self.config.clone(), self.body.clone())
    }
}

/// The patterns of paths that an app gives.
fn patterns(paths: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let checked = |path: String| {
        let start = path.strip_suffix("/*").unwrap_or(&path);
        let plain = is_plain_to_all(&path) && !start.contains(['?', '#', '*']);
        assert!(plain, "{path:?} is no path; write \"/about\" or \"/assets/*\"");
        path
    };
    paths.into_iter().map(|path| checked(path.into())).collect()
}

impl<M> fmt::Debug for CurfewLayer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurfewLayer")
            .field("mode", &self.config.mode)
            .field("open", &self.config.open)
            .field("passive", &self.config.passive)
            .finish_non_exhaustive()
    }
}
