//! Ending sessions.

use std::sync::Arc;

use tokio::task::yield_now;
use tokio::time::timeout;

use super::actor::Actor;
use super::budget::TimeBudget;
use super::error::{Contended, Error, UnreadableRecords};
use super::handle::Curfew;
use super::parallel::in_parallel;
use crate::clock::Timestamp;
use crate::cookie::SetCookie;
use crate::event::EventKind;
use crate::judge::Verdict;
use crate::session::{Ended, Record, Revision, Selector, Session, SessionKind};
use crate::store::{Loaded, Replaced};
use crate::token::nonce;

/// Each try after the first follows a concurrent change.
const MAX_TRIES: u32 = 200;

impl Curfew {
    /// Signs out: ends the session of this request. A session that has already ended is not an
    /// error.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer. The session may
    /// then still be alive.
    pub async fn end(&self, session: &Session) -> Result<SetCookie, Error> {
        let cookie = self.clearing_cookie(session);
        let (curfew, session) = (self.clone(), session.clone());
        self.to_the_end(async move {
            let ended = Ended::revoked(curfew.now());
            if curfew.end_record(session.record().clone(), &ended).await? {
                curfew.tell_of_own(session.record(), |user, session| EventKind::Ended {
                    user,
                    session,
                    ended,
                });
            }
            Ok(())
        })
        .await?;
        Ok(cookie)
    }

    /// Deletes the browser's cookie, if the session came with a cookie.
    pub(crate) fn clearing_cookie(&self, session: &Session) -> SetCookie {
        match session.kind() {
            SessionKind::Browser | SessionKind::BrowserUntilClosed => self.inner.cookie.clear(),
            SessionKind::Token => SetCookie::nothing(),
        }
    }

    /// Ends the sessions that a [`Selector`] names, in the name of another session.
    ///
    /// It can name all sessions of a user, all others, or a single one. They end from their next
    /// request on. The app must check that the user may end the sessions of another user.
    ///
    /// The call is refused if the acting session has ended in the meantime, even if the request
    /// arrived slowly. A program without a session uses
    /// [`Operator::revoke`](super::Operator::revoke).
    ///
    /// Sessions that are already over are recorded with their own reason, if it is known, and do
    /// not count.
    ///
    /// # Errors
    ///
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired) if the acting session has ended or was
    /// rotated; [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer, or a
    /// selected session cannot be read by this version. Some sessions may then still be alive: call
    /// it again.
    pub async fn revoke(&self, by: &Session, which: Selector) -> Result<Revoked, Error> {
        let (curfew, actor) = (self.clone(), Actor::by(by));
        self.to_the_end(async move {
            curfew.refuse_if_ended(&actor).await?;
            curfew.revoke_all(actor, which).await
        })
        .await
    }

    pub(super) async fn revoke_all(&self, actor: Actor, which: Selector) -> Result<Revoked, Error> {
        let own = actor.session().filter(|session| which.matches(session.record()));
        let set_cookie = own.map_or_else(SetCookie::nothing, |own| self.clearing_cookie(own));
        if !which.can_match() {
            return Ok(Revoked { sessions: 0, set_cookie });
        }
        let (sessions, outcome) = self.end_all(&which).await;
        if sessions != 0 {
            self.tell(Some(actor.name()), EventKind::Revoked { which, sessions });
        }
        outcome.map(|()| Revoked { sessions, set_cookie })
    }

    /// Ends as many of the sessions as possible; returns the number and the first error.
    async fn end_all(&self, which: &Selector) -> (u64, Result<(), Error>) {
        let (mut sessions, mut outcome) = (0, Ok(()));
        let mut pages = Some(None);
        while let Some(after) = pages {
            // Other tasks get their turn, even if there are many sessions.
            yield_now().await;
            let before = self.inner.rules.revision();
            let found = match self.find(&mut TimeBudget::default(), which, after).await {
                Ok(found) => found,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            };
            if found.unreadable != 0 {
                outcome = Err(Error::unavailable(UnreadableRecords));
            }
            // If the rules cannot be read soon, the sessions end without them.
            let mut budget = TimeBudget::default();
            let caught_up = self.catch_up(&mut budget, before, found.rules);
            let _ = timeout(self.inner.timeout / 4, caught_up).await;
            let revoke = |record| {
                let curfew = self.clone();
                async move { curfew.revoke_record(record, found.now).await }
            };
            for was_alive in in_parallel(found.records, revoke).await {
                match was_alive {
                    Ok(was_alive) => sessions += u64::from(was_alive),
                    Err(error) => outcome = Err(error),
                }
            }
            pages = found.next.map(Some);
        }
        (sessions, outcome)
    }

    /// Ends a session, for its own reason if it is already over. Returns whether it was alive.
    async fn revoke_record(&self, record: Arc<Record>, now: Timestamp) -> Result<bool, Error> {
        let conclude = |record: &Record| match self.judge_by_copy(record, Revision::NONE, now) {
            Ok(Some(Verdict::Over(ended))) => (ended.clone(), Was::Over(ended)),
            Ok(Some(Verdict::Gone)) => (Ended::revoked(now), Was::Gone),
            // As far as is known.
            Ok(Some(Verdict::Live(_)) | None) | Err(_) => (Ended::revoked(now), Was::Alive),
        };
        let (user, session) = (record.user().clone(), record.id());
        match self.end_as(record, conclude).await? {
            Some(Was::Over(ended)) => {
                self.tell(None, EventKind::Ended { user, session, ended });
                Ok(false)
            }
            Some(Was::Alive) => Ok(true),
            Some(Was::Gone) | None => Ok(false),
        }
    }

    /// Ends a session with this reason, despite concurrent changes. Returns `false` if it had
    /// already ended.
    pub(super) async fn end_record(
        &self,
        record: Arc<Record>,
        ended: &Ended,
    ) -> Result<bool, Error> {
        Ok(self.end_as(record, |_| (ended.clone(), ())).await?.is_some())
    }

    async fn end_as<T>(
        &self,
        mut record: Arc<Record>,
        conclude: impl Fn(&Record) -> (Ended, T),
    ) -> Result<Option<T>, Error> {
        // All calls share the budget, so that a sign-out does not wait several times as long.
        let mut budget = TimeBudget::default();
        for _ in 0..MAX_TRIES {
            let (ended, conclusion) = conclude(&record);
            let next = Arc::new(record.next(nonce()).with_end(ended));
            match self.ask_within(&mut budget, self.inner.store.replace(next)).await? {
                Replaced::Done => return Ok(Some(conclusion)),
                Replaced::Gone => return Ok(None),
                Replaced::Stale => {}
            }
            match self.ask_within(&mut budget, self.inner.store.load(record.id())).await? {
                Some(Loaded { record: fresh, .. }) if !fresh.has_ended() => record = fresh,
                _ => return Ok(None),
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Whether a session, alive or ended, belongs to the user of this one.
    #[cfg(feature = "axum")]
    pub(crate) async fn owns(
        &self,
        own: &Session,
        id: crate::session::SessionId,
    ) -> Result<bool, Error> {
        let loaded = self.ask(self.inner.store.load(id)).await?;
        Ok(loaded.is_some_and(|loaded| **loaded.record.user() == *own.user()))
    }
}

/// The result of [`Curfew::revoke`].
#[derive(Clone, Debug)]
#[must_use = "its cookie must reach the browser"]
#[non_exhaustive]
pub struct Revoked {
    /// The number of living sessions that were ended, including the acting session if it was
    /// selected.
    pub sessions: u64,
    /// Deletes the browser's cookie if the acting session was ended; otherwise does nothing. Return
    /// it from the handler.
    pub set_cookie: SetCookie,
}

/// The state of a session before it was ended.
enum Was {
    Alive,
    Over(Ended),
    Gone,
}
