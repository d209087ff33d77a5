//! The check of one request: load, judge, touch.

use std::sync::Arc;

use time::Duration;

use super::error::{ClocksDiffer, Contended};
use super::{Curfew, Error, Patience};
use crate::event::{Refusal, What};
use crate::judge::{Schedule, Verdict, judge, purge_after};
use crate::session::{Client, Ended, Kind, Presence, Selector, Session, SessionId};
use crate::store::{Facts, Touch, Touched};
use crate::time::Timestamp;
use crate::token::{SetCookie, Token};

/// What the check of a request found.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) presence: Presence,
    /// The cookie anew, if it is due and this request is to carry it.
    pub(crate) refreshed: Option<SetCookie>,
}

impl Checked {
    pub(crate) fn without_refresh(presence: Presence) -> Self {
        Self { presence, refreshed: None }
    }

    fn admitted(facts: &Facts, schedule: Schedule, now: Timestamp) -> Self {
        let session = Session::new(facts.record().clone(), schedule.ends, now);
        Self::without_refresh(Presence::Live(session))
    }
}

/// What a request is to the session that it comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Somebody uses it.
    Active,
    /// A program looks on its own whether there is something new.
    Passive,
}

/// Nodes and stores whose clocks differ by more would judge differently.
const CLOCK_TOLERANCE: Duration = Duration::MINUTE;

/// Each try but the first follows a change that somebody made since the last one.
const TRIES: u32 = 8;

impl Curfew {
    /// Checks the session of a request whose token verified. `client` is asked only if its answer
    /// is to be recorded.
    pub(crate) async fn check(
        &self,
        token: &Token,
        activity: Activity,
        client: impl Fn() -> Client,
    ) -> Result<Checked, Error> {
        let checked = self.try_check(token, activity, client).await;
        if checked.is_err() {
            self.refused(Refusal::Unavailable, Some(token.id), None);
        }
        checked
    }

    async fn try_check(
        &self,
        token: &Token,
        activity: Activity,
        client: impl Fn() -> Client,
    ) -> Result<Checked, Error> {
        let hash = token.secret.hash();
        // Reading and recording share it, so that the handler is not kept waiting twice as long.
        let mut patience = Patience::default();
        for _ in 0..TRIES {
            let now = self.now();
            let Some(facts) = self.ask_with(&mut patience, self.inner.store.load(token.id)).await?
            else {
                return Ok(self.nobody(Refusal::Unknown, token, None));
            };
            let verdict = self.judge(&facts, now)?;
            if facts.record().secret_hash != hash {
                return Ok(self.nobody(Refusal::Superseded, token, Some(&facts)));
            }
            // The rare ways are boxed, or every request would carry the room for them.
            let checked = match verdict {
                Verdict::Live(schedule) if activity == Activity::Passive => {
                    Some(Checked::admitted(&facts, schedule, now))
                }
                Verdict::Live(schedule) if schedule.touch_at <= now => {
                    Box::pin(self.touch(token, facts, schedule, client(), now, &mut patience)).await
                }
                Verdict::Live(schedule) => Some(self.admit(token, &facts, schedule, false, now)),
                Verdict::Over(ended) => Box::pin(self.refuse(&facts, ended, &mut patience)).await,
                Verdict::Gone => Some(self.nobody(Refusal::Unknown, token, Some(&facts))),
            };
            if let Some(checked) = checked {
                return Ok(checked);
            }
        }
        Err(Error::unavailable(Contended))
    }

    fn nobody(&self, why: Refusal, token: &Token, facts: Option<&Facts>) -> Checked {
        let user = facts.map(|facts| facts.record().user.clone());
        self.refused(why, Some(token.id), user);
        Checked::without_refresh(Presence::Anonymous)
    }

    /// Tells that what a request presented does not sign in.
    pub(crate) fn refused(&self, why: Refusal, session: Option<SessionId>, user: Option<Arc<str>>) {
        self.tell(None, What::Refused { why, session, user });
    }

    /// Writes down that a session is over; `None` if it was active or ended since it was loaded.
    async fn refuse(
        &self,
        facts: &Facts,
        ended: Ended,
        patience: &mut Patience,
    ) -> Option<Checked> {
        let record = facts.record();
        if record.ended.is_none() {
            match self.write_ended_with(patience, facts, &ended).await {
                Ok(true) => {}
                Ok(false) => return None,
                // The answer is the same. Whoever looks next finds the same, and tries again.
                Err(error) => {
                    tracing::warn!(error = %error.with_causes(), "an end could not be recorded");
                }
            }
        }
        let why = Refusal::Ended(ended.clone());
        self.refused(why, Some(record.id), Some(record.user.clone()));
        Some(Checked::without_refresh(Presence::Ended(ended)))
    }

    /// Records the activity of a living session and lets it in; `None` if it ended or was rotated
    /// since it was loaded.
    async fn touch(
        &self,
        token: &Token,
        mut facts: Facts,
        mut schedule: Schedule,
        client: Client,
        now: Timestamp,
        patience: &mut Patience,
    ) -> Option<Checked> {
        let touch = Touch {
            id: facts.record().id,
            secret_hash: facts.record().secret_hash,
            seen: now,
            last_seen: facts.record().seen,
            client,
            purge_after: purge_after(&facts, &self.inner.base, now),
        };
        let moved = match self.ask_with(patience, self.inner.store.touch(touch.clone())).await {
            Ok(Touched::Moved) => true,
            Ok(Touched::Kept) => false,
            Ok(Touched::Gone) => return None,
            // Who it is is known all the same, and the next request tries again.
            Err(error) => {
                tracing::warn!(error = %error.with_causes(), "activity could not be recorded");
                false
            }
        };
        if moved {
            let _ = touch.apply(facts.record_mut());
            if let Verdict::Live(moved) = judge(&facts, &self.inner.base, now) {
                schedule = moved;
            }
        }
        Some(self.admit(token, &facts, schedule, moved, now))
    }

    /// Lets a living session in, and refreshes its cookie if that is due.
    fn admit(
        &self,
        token: &Token,
        facts: &Facts,
        schedule: Schedule,
        moved: bool,
        now: Timestamp,
    ) -> Checked {
        let record = facts.record();
        let due_at = match record.kind {
            Kind::Browser | Kind::BrowserUntilClosed => token.issued_at + self.inner.base.refresh,
            Kind::Token => Timestamp::NEVER,
        };
        // Of parallel requests the one that recorded the activity carries the cookie. If its answer
        // was lost, the cookie grows so old that any request carries it.
        let carries = moved || due_at + schedule.touch_every <= now;
        let refreshed =
            (carries && due_at <= now).then(|| self.cookie(record, token.secret.clone(), now));
        Checked { refreshed, ..Checked::admitted(facts, schedule, now) }
    }
}

impl Curfew {
    /// The verdict on these facts, unless this machine's clock is not to be trusted.
    pub(super) fn judge(&self, facts: &Facts, now: Timestamp) -> Result<Verdict, Error> {
        match facts.store_time() {
            Some(time) if far_apart(time, now) => Err(Error::unavailable(ClocksDiffer)),
            _ => Ok(judge(facts, &self.inner.base, now)),
        }
    }

    /// Writes down that a session is over, unless it was active since these facts were read. Says
    /// whether it did.
    pub(super) async fn write_ended(&self, facts: &Facts, ended: &Ended) -> Result<bool, Error> {
        self.write_ended_with(&mut Patience::default(), facts, ended).await
    }

    async fn write_ended_with(
        &self,
        patience: &mut Patience,
        facts: &Facts,
        ended: &Ended,
    ) -> Result<bool, Error> {
        let record = facts.record();
        let which = Selector::session(record.id).not_seen_after(record.seen);
        let written = self.ask_with(patience, self.inner.store.end(&which, ended)).await? != 0;
        // Of one that waits to be purged nobody knows any more how it ended.
        if written && ended.at < record.purge_after {
            let (user, session) = (record.user.clone(), record.id);
            self.tell(None, What::Ended { user, session, ended: ended.clone() });
        }
        Ok(written)
    }

    /// Whether this session is alive still, with the secret that it came with.
    pub(crate) async fn is_still_alive(&self, session: &Session) -> Result<bool, Error> {
        let Some(facts) = self.ask(self.inner.store.load(session.id())).await? else {
            return Ok(false);
        };
        let same_secret = facts.record().secret_hash == session.secret_hash();
        Ok(same_secret && matches!(self.judge(&facts, self.now())?, Verdict::Live(_)))
    }
}

fn far_apart(one: Timestamp, other: Timestamp) -> bool {
    one.since(other).max(other.since(one)) > CLOCK_TOLERANCE
}
