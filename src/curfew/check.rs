//! The check of one request: load, judge, touch.

use time::Duration;

use super::error::{ClocksDiffer, Contended};
use super::{Curfew, Error};
use crate::judge::{Schedule, Verdict, judge, purge_after};
use crate::session::{Client, Ended, Presence, Selector, Session};
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
        client: impl Fn() -> Client,
    ) -> Result<Checked, Error> {
        let hash = token.secret.hash();
        for _ in 0..TRIES {
            let now = self.now();
            let Some(facts) = self.ask(self.0.store.load(token.id)).await? else {
                return Ok(Checked::without_refresh(Presence::Anonymous));
            };
            let verdict = self.judge(&facts, now)?;
            if facts.record().secret_hash != hash {
                return Ok(Checked::without_refresh(Presence::Anonymous));
            }
            // The rare ways are boxed, or every request would carry the room for them.
            let checked = match verdict {
                Verdict::Live(schedule) if schedule.touch_at <= now => {
                    Box::pin(self.touch(token, facts, schedule, client(), now)).await
                }
                Verdict::Live(schedule) => Some(self.admit(token, &facts, schedule, false, now)),
                Verdict::Over(ended) => Box::pin(self.refuse(&facts, ended)).await,
                Verdict::Gone => Some(Checked::without_refresh(Presence::Anonymous)),
            };
            if let Some(checked) = checked {
                return Ok(checked);
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Writes down that a session is over; `None` if it was active or ended since it was loaded.
    async fn refuse(&self, facts: &Facts, ended: Ended) -> Option<Checked> {
        let settled = facts.record().ended.is_some() || self.try_write_ended(facts, &ended).await;
        settled.then(|| Checked::without_refresh(Presence::Ended(ended)))
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
    ) -> Option<Checked> {
        let touch = Touch {
            id: facts.record().id,
            secret_hash: facts.record().secret_hash,
            seen: now,
            last_seen: facts.record().seen,
            client,
            purge_after: purge_after(&facts, &self.0.base, now),
        };
        let moved = match self.ask(self.0.store.touch(touch.clone())).await {
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
            if let Verdict::Live(moved) = judge(&facts, &self.0.base, now) {
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
        let due_at = token.issued_at + self.0.base.refresh;
        // Of parallel requests the one that recorded the activity carries the cookie. If its answer
        // was lost, the cookie grows so old that any request carries it.
        let carries = moved || due_at + schedule.touch_every <= now;
        let record = facts.record();
        let refreshed =
            (carries && due_at <= now).then(|| self.cookie(record, token.secret.clone(), now));
        let presence = Presence::Live(Session::new(record.clone(), schedule.ends, now));
        Checked { presence, refreshed }
    }
}

impl Curfew {
    /// The verdict on these facts, unless this machine's clock is not to be trusted.
    pub(super) fn judge(&self, facts: &Facts, now: Timestamp) -> Result<Verdict, Error> {
        match facts.store_time() {
            Some(time) if far_apart(time, now) => Err(Error::unavailable(ClocksDiffer)),
            _ => Ok(judge(facts, &self.0.base, now)),
        }
    }

    /// Writes down that a session is over, unless it was active since these facts were read. Says
    /// whether it did.
    pub(super) async fn write_ended(&self, facts: &Facts, ended: &Ended) -> Result<bool, Error> {
        let record = facts.record();
        let which = Selector::session(record.id).not_seen_after(record.seen);
        Ok(self.ask(self.0.store.end(&which, ended)).await? != 0)
    }

    /// As [`write_ended`](Self::write_ended), for an answer that is the same if the store fails: then
    /// whoever looks next finds the same, and tries again.
    pub(super) async fn try_write_ended(&self, facts: &Facts, ended: &Ended) -> bool {
        self.write_ended(facts, ended).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error.with_causes(), "an end could not be recorded");
            true
        })
    }
}

fn far_apart(one: Timestamp, other: Timestamp) -> bool {
    one.since(other).max(other.since(one)) > CLOCK_TOLERANCE
}
