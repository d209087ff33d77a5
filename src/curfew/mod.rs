//! The handle: everything that a program does to sessions, besides the check of each request.

mod builder;
mod check;
mod error;
mod orgs;
mod policies;
mod purge;
mod start;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderValue};
use time::Duration;

pub use self::builder::{Builder, Overflow};
pub(crate) use self::check::Checked;
use self::error::TimedOut;
pub use self::error::{ConfigError, Error, ErrorKind};
pub use self::policies::{Effect, Preview};
use crate::judge::{Base, Verdict};
use crate::reject::{Asked, Caller, Cause, Reject, Rejection};
use crate::session::{ActiveSession, Ended, Kind, Record, Selector, Session, SessionId};
use crate::store::{ErasedStore, Facts, Page, Rotate, Store, StoreError, Swapped};
use crate::time::{Clock, Timestamp};
use crate::token::{Keyring, Secret, SessionCookie, SetCookie, Signer, Token};

/// The handle on all sessions of an app. It is cheap to clone, and its clones are the same.
///
/// The layer reads, the handle writes: [`layer`](Self::layer) checks each request, and signing in
/// and out, listing and revoking are calls on the handle. What the browser must learn is a
/// [`SetCookie`] that they return.
#[derive(Clone)]
pub struct Curfew(Arc<Inner>);

struct Inner {
    store: Box<dyn ErasedStore>,
    signer: Signer,
    cookie: SessionCookie,
    base: Base,
    cap: Option<(u32, Overflow)>,
    policy_bounds: (Duration, Duration),
    login_at: String,
    reject: Box<dyn Reject>,
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

    /// Gives the session a new secret, as after a change of rights. The old one is dead at once; id,
    /// limits and everything else stay.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SignInRequired`] if the session has ended or was rotated since this request
    /// began, [`ErrorKind::Unavailable`] if the store does not answer.
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
        let secret = Secret::random();
        let rotate = Rotate {
            id: session.id(),
            old: session.secret_hash(),
            new: secret.hash(),
            authenticated,
        };
        match self.ask(self.0.store.rotate(rotate)).await? {
            Swapped::Done => {}
            Swapped::Stale | Swapped::Gone => return Err(Error::sign_in_required()),
        }
        Ok(self.cookie(session.record(), secret, self.now()))
    }

    /// Ends one's own session: signs out. To end one that has ended is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store does not answer. Then it may not have ended.
    pub async fn end(&self, session: &Session) -> Result<SetCookie, Error> {
        self.revoke(Selector::session(session.id())).await?;
        Ok(self.0.cookie.clear())
    }

    /// Ends somebody's sessions, and says how many they were. It bites at their next request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store does not answer. Then they may not have ended.
    pub async fn revoke(&self, which: Selector) -> Result<u64, Error> {
        let ended = Ended::revoked(self.now());
        let revoked = self.ask(self.0.store.end(&which, &ended)).await?;
        tracing::debug!(revoked, "sessions revoked");
        Ok(revoked)
    }

    /// The active sessions of a user, newest sign-in first: all that would pass the check now, and
    /// no other. At most 1,000, the newest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store does not answer.
    pub async fn list(&self, user: impl ToString) -> Result<Vec<ActiveSession>, Error> {
        let mut active = Vec::new();
        let over = self
            .each_living(&Selector::user(user), |session| {
                active.push(session);
                active.len() < MAX_LISTED
            })
            .await?;
        for (facts, ended) in over {
            self.try_write_ended(&facts, &ended).await;
        }
        Ok(active)
    }

    /// Shows the living sessions among the matching ones to `visit`, newest sign-in first, until it
    /// has seen enough. Answers with those that turned out to be over, for the caller to end.
    async fn each_living(
        &self,
        which: &Selector,
        mut visit: impl FnMut(ActiveSession) -> bool,
    ) -> Result<Vec<(Facts, Ended)>, Error> {
        let mut over = Vec::new();
        let mut listing = self.listing(which);
        while let Some(page) = listing.next().await? {
            for facts in page {
                let now = self.now();
                let ended = match self.judge(&facts, now)? {
                    Verdict::Live(schedule) => {
                        if !visit(ActiveSession::new(facts.record().clone(), schedule.ends)) {
                            return Ok(over);
                        }
                        continue;
                    }
                    Verdict::Over(ended) => ended,
                    // Until it is deleted, it must not fill a place under the cap.
                    Verdict::Gone => Ended::revoked(now),
                };
                over.push((facts, ended));
            }
        }
        Ok(over)
    }

    fn listing<'a>(&'a self, which: &'a Selector) -> Listing<'a> {
        Listing { curfew: self, which, after: None, more: true }
    }

    /// Asks the store, and waits no longer than the timeout.
    async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        self.0.purger.start(&self.0);
        let mut answer = pin!(answer);
        // Most answers of a store in the same process are there at once and need no timer.
        let first = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
        let answered = match first {
            Poll::Ready(answered) => answered,
            Poll::Pending => Box::pin(tokio::time::timeout(self.0.timeout, answer))
                .await
                .map_err(|_| Error::unavailable(TimedOut))?,
        };
        Ok(answered?)
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The cookie for a session whose record is kept until `purge_after`. It outlives the session,
    /// so that the next request still learns why it ended.
    fn cookie(&self, record: &Record, secret: Secret, now: Timestamp) -> SetCookie {
        // Rounded up to the token's whole seconds, so that it is never due early.
        let issued_at = now + Duration::milliseconds(999);
        let token = self.0.signer.sign(&Token { id: record.id, secret, issued_at });
        let max_age = match record.kind {
            Kind::BrowserUntilClosed => None,
            Kind::Browser | Kind::Token => Some(record.purge_after.since(now)),
        };
        self.0.cookie.render(&token, max_age)
    }

    /// The answer to a request that is turned away.
    pub(crate) fn turn_away(&self, cause: Cause<'_>, asked: &Asked<'_>) -> Response<Bytes> {
        let inner = &*self.0;
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
        &self.0.cookie
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.0.signer
    }

    pub(crate) fn login_at(&self) -> &str {
        &self.0.login_at
    }
}

/// A list is for people to read.
const MAX_LISTED: usize = 1_000;

/// Between two tries of a compare and swap somebody else has succeeded each time, so this many is
/// never reached by accident.
const TRIES: u32 = 200;

/// The matching sessions, page by page, newest sign-in first.
struct Listing<'a> {
    curfew: &'a Curfew,
    which: &'a Selector,
    after: Option<(Timestamp, SessionId)>,
    more: bool,
}

const PAGE: u32 = 100;

impl Listing<'_> {
    async fn next(&mut self) -> Result<Option<Vec<Facts>>, Error> {
        if !self.more {
            return Ok(None);
        }
        let curfew = self.curfew;
        let page = Page { after: self.after, at_most: PAGE };
        let listed = curfew.ask(curfew.0.store.list(self.which, page)).await?;
        self.after = listed.last().map(|facts| (facts.record().created, facts.record().id));
        self.more = listed.len() == PAGE as usize;
        Ok(Some(listed))
    }
}

impl fmt::Debug for Curfew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curfew").field("base", &self.0.base).finish_non_exhaustive()
    }
}
