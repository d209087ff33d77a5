//! The handle, and the state that its clones share.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderValue};
use time::Duration;

use super::background::{BackgroundTask, DetachedWork};
use super::copy::NodeRules;
use super::failures::Failures;
use super::once::Once;
use super::waiting::Waiting;
use crate::client::ClientReader;
use crate::clock::{Clock, Timestamp};
use crate::cookie::{SessionCookie, SetCookie};
use crate::event::EventHook;
use crate::judge::AppLimits;
use crate::reject::{Reject, Rejection, RejectionCause};
use crate::request::{Asked, Credentials, RequestKind};
use crate::session::{Record, SessionKind};
use crate::store::ErasedStore;
use crate::token::{Secret, Token};

/// The handle on all sessions of an app. It is cheap to clone, and clones share their state.
///
/// The [`layer`](Self::layer) checks each request. Signing in and out, listing and revoking are
/// calls on this handle. Calls that change the cookie return a [`SetCookie`] for the response.
///
/// ```
/// use tower_curfew::store::MemoryStore;
/// use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, Selector};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # let key = [7; 32];
/// let curfew = Curfew::builder(MemoryStore::new(), Keyring::from_bytes(key)?).build()?;
///
/// let client = ClientInfo::for_tests(); // an argument of your handler, with axum
/// let cookie = curfew.start(NewSession::for_user("ada"), &client).await?;
/// assert!(cookie.header_value().is_some()); // return it from the handler
///
/// assert_eq!(curfew.list("ada").await?.len(), 1);
/// let ended = curfew.operator("cleanup").revoke(Selector::user("ada")).await?;
/// assert_eq!(ended, 1);
/// assert_eq!(curfew.list("ada").await?.len(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Curfew {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Box<dyn ErasedStore>,
    pub(super) rules: NodeRules,
    pub(super) failures: Failures,
    pub(super) credentials: Credentials,
    pub(super) cookie: SessionCookie,
    pub(super) told_of_dropped_cookie: Once,
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(super) told_of_passive_route: Once,
    pub(super) app: AppLimits,
    pub(super) cap: (u32, AtCap),
    pub(super) policy_bounds: (Duration, Duration),
    pub(super) login_at: String,
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(super) confirm_at: String,
    pub(super) reject: Box<dyn Reject>,
    pub(super) client_reader: ClientReader,
    pub(super) trusted_origins: Vec<String>,
    pub(super) on_event: Option<EventHook>,
    pub(super) timeout: std::time::Duration,
    pub(super) purge_every: Option<std::time::Duration>,
    pub(super) purging: BackgroundTask,
    pub(super) watching: BackgroundTask,
    pub(super) waiting: Arc<Waiting>,
    pub(super) detached: DetachedWork,
    pub(super) clock: Box<dyn Clock>,
}

/// What happens when a user at the cap signs in once more. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCap {
    /// The session with the oldest sign-in ends.
    EndOldest,
    /// The sign-in is refused.
    Refuse,
}

impl Curfew {
    pub(super) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The cookie for a session whose record is kept until `purge_after`. It outlives the session,
    /// so that the next request still learns the reason of the end.
    pub(super) fn cookie(&self, record: &Record, secret: Secret, now: Timestamp) -> SetCookie {
        // Rounded up to the token's whole seconds, so that it is never due early.
        let issued_at = now + Duration::milliseconds(999);
        let token =
            self.inner.credentials.sign_cookie(&Token { id: record.id(), secret, issued_at });
        let max_age = match record.kind() {
            SessionKind::BrowserUntilClosed => None,
            SessionKind::Browser => Some(record.purge_after().since(now)),
            SessionKind::Token => return SetCookie::nothing(),
        };
        self.inner.cookie.render(&token, max_age).of(record.id())
    }

    /// The response to a rejected request.
    pub(crate) fn turn_away(
        &self,
        cause: RejectionCause<'_>,
        asked: &Asked<'_>,
    ) -> Response<Bytes> {
        let inner = &*self.inner;
        let rejection = Rejection::new(cause, asked, &inner.login_at, inner.cookie.name());
        let mut response = inner.reject.reject(&rejection);
        let headers = response.headers_mut();
        // Only a navigation clears the cookie. A late background request would clear the cookie of
        // a newer sign-in.
        if matches!(cause, RejectionCause::Ended(_)) && asked.kind == RequestKind::Navigation {
            inner.cookie.clear().append_to(headers);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    pub(crate) fn session_cookie(&self) -> &SessionCookie {
        &self.inner.cookie
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    pub(crate) fn client_reader(&self) -> &ClientReader {
        &self.inner.client_reader
    }

    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(crate) fn trusts_origin(&self, origin: &HeaderValue) -> bool {
        self.inner.trusted_origins.iter().any(|trusted| origin == trusted)
    }

    #[cfg(feature = "axum")]
    pub(crate) fn confirm_at(&self) -> &str {
        &self.inner.confirm_at
    }

    pub(crate) fn login_at(&self) -> &str {
        &self.inner.login_at
    }
}

impl fmt::Debug for Curfew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curfew").field("app", &self.inner.app).finish_non_exhaustive()
    }
}
