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

/// Each try but the first follows a change that somebody made since the last one.
const MAX_TRIES: u32 = 200;

impl Curfew {
    /// Ends one's own session: signs out. To end one that has ended is no error.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer. Then it may not
    /// have ended.
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

    /// What makes the browser forget its cookie, if it is one that has the session.
    pub(crate) fn clearing_cookie(&self, session: &Session) -> SetCookie {
        match session.kind() {
            SessionKind::Browser | SessionKind::BrowserUntilClosed => self.inner.cookie.clear(),
            SessionKind::Token => SetCookie::nothing(),
        }
    }

    /// Ends sessions in the name of another one, from their next request on: all of one's own, all
    /// others, a single one. Whether the [`Selector`] may name somebody else's is for the app to say.
    ///
    /// It is refused if the session in whose name it is done has ended by now, however slowly the
    /// request arrived. A program on its own has [`Operator::revoke`](super::Operator::revoke).
    ///
    /// What is over already is written down with its own reason, as far as that is known, and does not
    /// count.
    ///
    /// # Errors
    ///
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired) if that session has ended or was renewed;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer, or holds a session
    /// among them that this version cannot read. Then some may not have ended: call it again.
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

    /// Ends all of them, as far as possible; says how many, and what went wrong.
    async fn end_all(&self, which: &Selector) -> (u64, Result<(), Error>) {
        let (mut sessions, mut outcome) = (0, Ok(()));
        let mut pages = Some(None);
        while let Some(after) = pages {
            // However many they are, others have their turn.
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
            // Where the rules cannot be had, or not soon, they end all the same.
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

    /// Ends a session, for its own reason if it is over already. Says whether it was alive.
    async fn revoke_record(&self, record: Arc<Record>, now: Timestamp) -> Result<bool, Error> {
        let conclude = |record: &Record| match self.judge_by_copy(record, Revision::NONE, now) {
            Ok(Some(Verdict::Over(ended))) => (ended.clone(), Was::Over(ended)),
            Ok(Some(Verdict::Gone)) => (Ended::revoked(now), Was::Gone),
            // As far as anybody knows.
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

    /// Ends a session in this way, whatever else is done to it meanwhile. Says whether it did: it may
    /// have ended before.
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
        for _ in 0..MAX_TRIES {
            let (ended, conclusion) = conclude(&record);
            let next = Arc::new(record.next(nonce()).with_end(ended));
            match self.ask(self.inner.store.replace(next)).await? {
                Replaced::Done => return Ok(Some(conclusion)),
                Replaced::Gone => return Ok(None),
                Replaced::Stale => {}
            }
            match self.ask(self.inner.store.load(record.id())).await? {
                Some(Loaded { record: fresh, .. }) if !fresh.has_ended() => record = fresh,
                _ => return Ok(None),
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Whether a session, which may have ended, belongs to whoever has this one.
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

/// What [`Curfew::revoke`] has done.
#[derive(Clone, Debug)]
#[must_use = "its cookie must reach the browser"]
#[non_exhaustive]
pub struct Revoked {
    /// How many living sessions it has ended, the one in whose name it was done included if it was
    /// among them.
    pub sessions: u64,
    /// What makes the browser forget its cookie if its own session was among them; nothing otherwise.
    /// Return it from the handler.
    pub set_cookie: SetCookie,
}

/// What a session was that has been ended.
enum Was {
    Alive,
    Over(Ended),
    Gone,
}
