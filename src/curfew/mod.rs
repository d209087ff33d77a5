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
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Response};
use time::Duration;
use tokio::time::{Sleep, sleep};

pub use self::builder::{Builder, Overflow};
pub(crate) use self::check::{Activity, Checked};
use self::error::TimedOut;
pub use self::error::{ConfigError, Error, ErrorKind};
pub use self::policies::{Effect, Preview};
use crate::client::ClientReader;
use crate::event::{Event, EventHook, What};
use crate::judge::{Base, Verdict};
use crate::reject::{Asked, Caller, Cause, Reject, Rejection};
use crate::session::{ActiveSession, Ended, Kind, Record, Selector, Session, SessionId};
use crate::store::{ErasedStore, Facts, Page, Rotate, Store, StoreError, Swapped};
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
    actor: Option<Arc<str>>,
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

    /// This handle in the hands of a user, who then stands as the actor in every [`Event`] that it
    /// causes. As an extractor of axum, the handle is in the hands of whoever the request's session
    /// belongs to.
    #[must_use]
    pub fn acting_as(&self, user: impl ToString) -> Self {
        Self { inner: self.inner.clone(), actor: Some(user.to_string().into()) }
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
        let secret = Secret::random();
        let rotate = Rotate {
            id: session.id(),
            old: session.secret_hash(),
            new: secret.hash(),
            authenticated,
        };
        match self.ask(self.inner.store.rotate(rotate)).await? {
            Swapped::Done => {}
            Swapped::Stale | Swapped::Gone => return Err(Error::sign_in_required()),
        }
        let record = session.record();
        self.tell_of_own(record, |user, session| {
            let reauthenticated = authenticated.is_some();
            What::Renewed { user, session, reauthenticated }
        });
        Ok(self.cookie(record, secret, self.now()))
    }

    /// Ends one's own session: signs out. To end one that has ended is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store does not answer. Then it may not have ended.
    pub async fn end(&self, session: &Session) -> Result<SetCookie, Error> {
        let ended = Ended::revoked(self.now());
        let which = Selector::session(session.id());
        if self.ask(self.inner.store.end(&which, &ended)).await? != 0 {
            self.tell_of_own(session.record(), |user, session| What::Ended {
                user,
                session,
                ended: ended.clone(),
            });
        }
        Ok(self.clearing_cookie(session))
    }

    pub(crate) fn clearing_cookie(&self, session: &Session) -> SetCookie {
        match session.kind() {
            Kind::Browser | Kind::BrowserUntilClosed => self.inner.cookie.clear(),
            Kind::Token => SetCookie::nothing(),
        }
    }

    /// Ends a session of whoever this one belongs to, and says whether it was theirs. To end it again
    /// is no error.
    #[cfg(feature = "axum")]
    pub(crate) async fn end_own(&self, own: &Session, id: SessionId) -> Result<bool, Error> {
        if self.revoke(Selector::user(own.user()).only(id)).await? != 0 {
            return Ok(true);
        }
        let facts = self.ask(self.inner.store.load(id)).await?;
        Ok(facts.is_some_and(|facts| *facts.record().user == *own.user()))
    }

    /// Ends somebody's sessions, and says how many they were. It bites at their next request.
    ///
    /// Of a user, what is over already is first written down with its own reason, and does not
    /// count.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store does not answer. Then they may not have ended.
    pub async fn revoke(&self, which: Selector) -> Result<u64, Error> {
        if which.by_user().is_some() {
            let over = self.each_living(&which, |_| true).await?;
            self.settle(over).await;
        }
        let ended = Ended::revoked(self.now());
        let sessions = self.ask(self.inner.store.end(&which, &ended)).await?;
        if sessions != 0 {
            self.tell(self.actor.clone(), What::Revoked { which, sessions });
        }
        Ok(sessions)
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
        self.settle(over).await;
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

    /// Writes down what turned out to be over, as far as the store lets us.
    async fn settle(&self, over: Vec<(Facts, Ended)>) {
        for (facts, ended) in over {
            self.try_write_ended(&facts, &ended).await;
        }
    }

    fn listing<'a>(&'a self, which: &'a Selector) -> Listing<'a> {
        Listing { curfew: self, which, after: None, more: true }
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

    /// Tells the log and the app what happened.
    pub(crate) fn tell(&self, actor: Option<Arc<str>>, what: What) {
        let event = Event { at: self.now(), actor, what };
        event.trace();
        if let Some(on_event) = &self.inner.on_event {
            on_event(&event);
        }
    }

    /// Tells what the owner of a session did with it, unless the handle is in other hands.
    fn tell_of_own(&self, record: &Record, what: impl FnOnce(Arc<str>, SessionId) -> What) {
        let user = record.user.clone();
        let actor = self.actor.clone().unwrap_or_else(|| user.clone());
        self.tell(Some(actor), what(user, record.id));
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
        let listed = curfew.ask(curfew.inner.store.list(self.which, page)).await?;
        self.after = listed.last().map(|facts| (facts.record().created, facts.record().id));
        self.more = listed.len() == PAGE as usize;
        Ok(Some(listed))
    }
}

impl fmt::Debug for Curfew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curfew").field("base", &self.inner.base).finish_non_exhaustive()
    }
}
