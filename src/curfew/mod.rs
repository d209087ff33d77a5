//! The handle: everything that a program does to sessions, besides the check of each request.

mod audit;
mod builder;
mod check;
mod end;
mod error;
mod orgs;
mod policies;
mod purge;
mod start;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Response};
use time::Duration;
use tokio::time::{Sleep, sleep};

use self::audit::Hands;
pub use self::builder::{Builder, Overflow};
pub(crate) use self::check::{Activity, Checked};
use self::error::TimedOut;
pub use self::error::{ConfigError, Error, ErrorKind};
pub use self::policies::{Effect, Preview};
use crate::client::ClientReader;
use crate::event::{EventHook, What};
use crate::judge::Base;
use crate::reject::{Asked, Caller, Cause, Reject, Rejection};
use crate::session::{Kind, Record, Session};
use crate::store::{ErasedStore, Rotate, Store, StoreError, Swapped};
use crate::time::{Clock, Timestamp};
use crate::token::{
    Keyring, Presented, Secret, SessionCookie, SetCookie, Signer, Token, read_bearer,
};

/// The handle on all sessions of an app. It is cheap to clone, and its clones are the same.
///
/// The layer reads, the handle writes: [`layer`](Self::layer) checks each request, and signing in
/// and out, listing and revoking are calls on the handle. What the browser must learn is a
/// [`SetCookie`] that they return.
#[derive(Clone)]
pub struct Curfew {
    inner: Arc<Inner>,
    hands: Hands,
}

struct Inner {
    store: Box<dyn ErasedStore>,
    signer: Signer,
    token_signer: Signer,
    cookie: SessionCookie,
    base: Base,
    cap: Option<(u32, Overflow)>,
    policy_bounds: (Duration, Duration),
    login_at: String,
    reject: Box<dyn Reject>,
    client_reader: ClientReader,
    trusted_origins: Vec<String>,
    on_event: Option<EventHook>,
    timeout: std::time::Duration,
    purge_every: Option<std::time::Duration>,
    purger: purge::Purger,
    clock: Box<dyn Clock>,
}

impl Curfew {
    /// Starts to configure a handle on the sessions in `store`, whose cookies `keyring` signs.
    pub fn builder(store: impl Store, keyring: Keyring) -> Builder {
        Builder::new(store, keyring)
    }

    /// Gives the session of a browser a new secret, as after a change of rights. The old one is dead
    /// at once; id, limits and everything else stay.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SignInRequired`] if the session has ended or was rotated since this request
    /// began, [`ErrorKind::NotForTokens`] if it is that of a token,
    /// [`ErrorKind::Unavailable`] if the store does not answer.
    pub async fn rotate(&self, session: &Session) -> Result<SetCookie, Error> {
        self.renew(session, None).await
    }

    /// Records that the person has just proved again who they are, and rotates the secret. Neither
    /// the time of the sign-in nor any end moves.
    ///
    /// # Errors
    ///
    /// As [`rotate`](Self::rotate).
    pub async fn reauthenticated(&self, session: &Session) -> Result<SetCookie, Error> {
        self.renew(session, Some(self.now())).await
    }

    async fn renew(
        &self,
        session: &Session,
        authenticated: Option<Timestamp>,
    ) -> Result<SetCookie, Error> {
        if session.kind() == Kind::Token {
            return Err(Error::not_for_tokens());
        }
        let (curfew, session) = (self.clone(), session.clone());
        let work = async move {
            let secret = Secret::random();
            let rotate = Rotate {
                id: session.id(),
                old: session.secret_hash(),
                new: secret.hash(),
                authenticated,
            };
            match curfew.ask(curfew.inner.store.rotate(rotate)).await? {
                Swapped::Done => {}
                Swapped::Stale | Swapped::Gone => return Err(Error::sign_in_required()),
            }
            let record = session.record();
            curfew.tell_of_own(record, |user, session| {
                let reauthenticated = authenticated.is_some();
                What::Renewed { user, session, reauthenticated }
            });
            Ok(curfew.cookie(record, secret, curfew.now()))
        };
        self.uninterrupted(work).await
    }

    /// Asks the store, and waits no longer than the timeout.
    async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        self.ask_with(&mut Patience::default(), answer).await
    }

    /// Asks the store, and waits no longer than there is patience left.
    async fn ask_with<T>(
        &self,
        patience: &mut Patience,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        self.inner.purger.start(&self.inner);
        let mut answer = pin!(answer);
        let answered = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answered) => Poll::Ready(Some(answered)),
            Poll::Pending => patience.poll(cx, self.inner.timeout).map(|()| None),
        });
        Ok(answered.await.ok_or_else(|| Error::unavailable(TimedOut))??)
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The cookie for a session whose record is kept until `purge_after`. It outlives the session,
    /// so that the next request still learns why it ended.
    fn cookie(&self, record: &Record, secret: Secret, now: Timestamp) -> SetCookie {
        // Rounded up to the token's whole seconds, so that it is never due early.
        let issued_at = now + Duration::milliseconds(999);
        let token = self.inner.signer.sign(&Token { id: record.id, secret, issued_at });
        let max_age = match record.kind {
            Kind::BrowserUntilClosed => None,
            Kind::Browser => Some(record.purge_after.since(now)),
            Kind::Token => return SetCookie::nothing(),
        };
        self.inner.cookie.render(&token, max_age)
    }

    /// The answer to a request that is turned away.
    pub(crate) fn turn_away(&self, cause: Cause<'_>, asked: &Asked<'_>) -> Response<Bytes> {
        let inner = &*self.inner;
        let rejection = Rejection::new(cause, asked, &inner.login_at, inner.cookie.name());
        let mut response = inner.reject.reject(&rejection);
        let headers = response.headers_mut();
        // Only a navigation clears the cookie. A request in the background may come late, and would
        // clear the cookie of a newer sign-in.
        if matches!(cause, Cause::Ended(_)) && asked.caller == Caller::Navigation {
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

/// How long one may still wait for the store, over all the calls that it is given to.
#[derive(Default)]
struct Patience(Option<Pin<Box<Sleep>>>);

impl Patience {
    /// Ready when it is at its end, `timeout` after it was first needed. Most answers of a store in
    /// the same process are there at once and need no timer.
    fn poll(&mut self, cx: &mut Context<'_>, timeout: std::time::Duration) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(cx)
    }
}

/// Between two tries of a compare and swap somebody else has succeeded each time, so this many is
/// never reached by accident.
const TRIES: u32 = 200;

impl fmt::Debug for Curfew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curfew").field("base", &self.inner.base).finish_non_exhaustive()
    }
}
