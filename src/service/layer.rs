//! The layer and its configuration.

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
/// [`Curfew::layer`] makes it. It has three modes:
///
/// | | no session | session ended | session alive |
/// | --- | --- | --- | --- |
/// | default | admitted | navigations are rejected, others admitted | admitted |
/// | [`required`](Self::required) | rejected | rejected | admitted |
/// | [`optional`](Self::optional) | admitted | admitted | admitted |
///
/// An admitted request carries its [`Presence`](crate::Presence). The login page, the paths given
/// to [`open`](Self::open), and CORS preflights are always admitted. If the store does not answer
/// for a request with a session cookie, the answer is 503 in every mode and on every path.
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
    /// Makes the layer for a router or any other service.
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
    /// Rejects all requests without a living session.
    pub fn required(self) -> Self {
        self.with(|config| config.mode = Mode::AllButLive)
    }

    /// Rejects no request. Handlers decide by the [`Presence`](crate::Presence) of the request.
    pub fn optional(self) -> Self {
        self.with(|config| config.mode = Mode::Nobody)
    }

    /// Always admits these paths, as the client writes them.
    ///
    /// A path matches exactly, or by its beginning if it ends with `/*`. A path that some server
    /// may read as another one never matches, such as `/assets/..;/admin`. Such paths have `.` or
    /// `..`, a `;`, an encoded slash, backslash or control character, bytes that are not UTF-8, or
    /// double encoding.
    ///
    /// # Panics
    ///
    /// Panics if one of them is not a plain path that begins with `/`, or has a `*` elsewhere.
    pub fn open(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|config| config.open.extend(patterns(paths)))
    }

    /// Does not count requests for these paths as activity. They have the form of
    /// [`open`](Self::open).
    ///
    /// Use it for paths that a page polls by itself. Such a request is checked like any other, but
    /// it neither moves the idle limit nor refreshes the cookie.
    ///
    /// Give it the path of `GET /session` of the [routes](crate::account_routes), which a page
    /// polls to learn how long its session lasts.
    ///
    /// # Panics
    ///
    /// Panics as [`open`](Self::open) does.
    pub fn passive(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|config| config.passive.extend(patterns(paths)))
    }

    /// Bypasses the cache for these paths, which have the form of [`open`](Self::open).
    ///
    /// Their requests are checked against the store even if there is a
    /// [cache](crate::store::Store::near) in front of it. Use it for actions that must not succeed
    /// with a session that was revoked a second ago.
    ///
    /// # Panics
    ///
    /// Panics as [`open`](Self::open) does.
    #[cfg(feature = "near")]
    #[cfg_attr(docsrs, doc(cfg(feature = "near")))]
    pub fn uncached(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|config| config.uncached.extend(patterns(paths)))
    }

    /// Makes the bodies of rejections with `make`, for services whose body type is not
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
