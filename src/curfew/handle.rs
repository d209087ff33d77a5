//! The handle, and what its clones share.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Response};
use time::Duration;

use super::copy::NodeRules;
use super::detached::BackgroundTask;
use super::dropped::ToldOfDroppedCookie;
use crate::client::ClientReader;
use crate::clock::{Clock, Timestamp};
use crate::cookie::{SessionCookie, SetCookie};
use crate::event::EventHook;
use crate::judge::AppLimits;
use crate::reject::{Reject, Rejection, RejectionCause};
use crate::request::{Asked, RequestKind};
use crate::session::{Record, SessionKind};
use crate::store::ErasedStore;
use crate::token::{Presented, Secret, Signer, Token, read_bearer};

/// The handle on all sessions of an app. It is cheap to clone, and its clones are the same.
///
/// The layer reads, the handle writes: [`layer`](Self::layer) checks each request, and signing in
/// and out, listing and revoking are calls on the handle. What the browser must learn is a
/// [`SetCookie`] that they return.
#[derive(Clone)]
pub struct Curfew {
    pub(super) inner: Arc<Inner>,
    pub(super) actor: Actor,
}

/// On whose behalf a handle acts.
#[derive(Clone, Default)]
pub(super) enum Actor {
    /// Nobody's that is known: it is the program's own.
    #[default]
    Program,
    /// Whoever sent the request that it was extracted from.
    Requester(Arc<str>),
    /// Somebody whom the program has named.
    Named(Arc<str>),
}

pub(super) struct Inner {
    pub(super) store: Box<dyn ErasedStore>,
    pub(super) rules: NodeRules,
    pub(super) signer: Signer,
    pub(super) token_signer: Signer,
    pub(super) cookie: SessionCookie,
    pub(super) told: ToldOfDroppedCookie,
    pub(super) app: AppLimits,
    pub(super) cap: Option<(u32, AtCap)>,
    pub(super) policy_bounds: (Duration, Duration),
    pub(super) login_at: String,
    pub(super) reject: Box<dyn Reject>,
    pub(super) client_reader: ClientReader,
    pub(super) trusted_origins: Vec<String>,
    pub(super) on_event: Option<EventHook>,
    pub(super) timeout: std::time::Duration,
    pub(super) purge_every: Option<std::time::Duration>,
    pub(super) purging: BackgroundTask,
    pub(super) clock: Box<dyn Clock>,
}

/// What happens when a user with as many sessions as one may have signs in once more.
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
    /// so that the next request still learns why it ended.
    pub(super) fn cookie(&self, record: &Record, secret: Secret, now: Timestamp) -> SetCookie {
        // Rounded up to the token's whole seconds, so that it is never due early.
        let issued_at = now + Duration::milliseconds(999);
        let token = self.inner.signer.sign(&Token { id: record.id(), secret, issued_at });
        let max_age = match record.kind() {
            SessionKind::BrowserUntilClosed => None,
            SessionKind::Browser => Some(record.purge_after().since(now)),
            SessionKind::Token => return SetCookie::nothing(),
        };
        self.inner.cookie.render(&token, max_age)
    }

    /// The answer to a request that is turned away.
    pub(crate) fn turn_away(
        &self,
        cause: RejectionCause<'_>,
        asked: &Asked<'_>,
    ) -> Response<Bytes> {
        let inner = &*self.inner;
        let rejection = Rejection::new(cause, asked, &inner.login_at, inner.cookie.name());
        let mut response = inner.reject.reject(&rejection);
        let headers = response.headers_mut();
        // Only a navigation clears the cookie. A request in the background may come late, and would
        // clear the cookie of a newer sign-in.
        if matches!(cause, RejectionCause::Ended(_)) && asked.kind == RequestKind::Navigation {
            inner.cookie.clear().append_to(headers);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    pub(crate) fn session_cookie(&self) -> &SessionCookie {
        &self.inner.cookie
    }

    /// The session that a request presents, and what verifies it. A token comes before a cookie: a
    /// browser sends the cookie along unasked.
    pub(crate) fn presented<'h>(&self, headers: &'h HeaderMap) -> (Presented<'h>, &Signer) {
        match read_bearer(headers) {
            Presented::Nothing => (self.inner.cookie.read(headers), &self.inner.signer),
            bearer => (bearer, &self.inner.token_signer),
        }
    }

    pub(crate) fn client_reader(&self) -> &ClientReader {
        &self.inner.client_reader
    }

    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(crate) fn trusts_origin(&self, origin: &HeaderValue) -> bool {
        self.inner.trusted_origins.iter().any(|trusted| origin == trusted)
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
