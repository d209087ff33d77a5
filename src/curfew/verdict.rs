//! The verdict on a session, by rules at least as new as its record, and the recording of its end.

use std::sync::Arc;

use time::Duration;

use super::budget::TimeBudget;
use super::error::{ClocksDiffer, Contended, Error};
use super::handle::Curfew;
use crate::clock::Timestamp;
use crate::event::EventKind;
use crate::judge::{Verdict, judge, purge_after};
use crate::meter;
use crate::policy::raised_at;
use crate::session::{ClientDetails, EndReason, Ended, Record, Revision, SessionId};
use crate::store::{Loaded, Replaced};
use crate::token::nonce;

/// A session and the verdict on it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) record: Arc<Record>,
    pub(super) verdict: Verdict,
    pub(super) now: Timestamp,
    /// The revision of all rules when the session was read.
    pub(super) stands: Revision,
}

/// Nodes and stores whose clocks differ by more would come to different verdicts.
const CLOCK_TOLERANCE: Duration = Duration::MINUTE;

/// Each try after the first follows a concurrent change.
pub(super) const MAX_TRIES: u32 = 8;

impl Curfew {
    /// Loads a session and judges it; `None` if it does not exist.
    pub(super) async fn load(
        &self,
        budget: &mut TimeBudget,
        id: SessionId,
    ) -> Result<Option<Judged>, Error> {
        for _ in 0..MAX_TRIES {
            let now = self.now();
            let before = self.inner.rules.revision();
            let loaded = self.ask_within(budget, self.inner.store.load(id)).await?;
            let Some(Loaded { record, rules: stands, clock }) = loaded else {
                return Ok(None);
            };
            check_clock(clock, now)?;
            if self.catch_up(budget, before, stands).await?
                && let Some(judged) = self.judge(budget, record, stands, now).await?
            {
                return Ok(Some(judged));
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Renews the copy if an answer of the store is newer. Returns whether the copy is then at
    /// least as new. If not, the store may have lost rules since (another incarnation), and the
    /// caller asks again.
    ///
    /// `before` is the revision of the copy before the store was asked, and `stands` is the
    /// revision of all rules in the store's answer.
    pub(super) async fn catch_up(
        &self,
        budget: &mut TimeBudget,
        before: Revision,
        stands: Revision,
    ) -> Result<bool, Error> {
        let rules = &self.inner.rules;
        if before <= stands && stands <= rules.revision() {
            return Ok(true);
        }
        let lost = stands < before;
        if lost {
            rules.forget(before);
        }
        // Rare, and boxed: otherwise every request would reserve memory for it.
        Box::pin(self.renew_rules(budget)).await?;
        meter::rules_lag(self.now().since(raised_at(stands)));
        Ok(!lost && stands <= rules.revision())
    }

    /// Judges a record; `None` if the copy of the rules was forgotten since it caught up.
    pub(super) async fn judge(
        &self,
        budget: &mut TimeBudget,
        record: Arc<Record>,
        stands: Revision,
        now: Timestamp,
    ) -> Result<Option<Judged>, Error> {
        let mut verdict = self.judge_by_copy(&record, stands, now)?;
        if let Some(Verdict::Live(live)) = &verdict
            && live.above_rules
        {
            // Its stamps may be newer than the rules in the answer, or belong to rules that were
            // lost.
            Box::pin(self.renew_rules(budget)).await?;
            verdict = self.judge_by_copy(&record, stands, now)?;
        }
        Ok(verdict.map(|verdict| Judged { record, verdict, now, stands }))
    }

    pub(super) fn judge_by_copy(
        &self,
        record: &Record,
        stands: Revision,
        now: Timestamp,
    ) -> Result<Option<Verdict>, Error> {
        let copy = self.inner.rules.read();
        if copy.revision() < stands {
            return Ok(None);
        }
        Ok(Some(judge(record, copy.rules(), &self.inner.app, now)?))
    }

    /// The next record of a living session, with activity now, and its new schedule; `None` if the
    /// copy of the rules was forgotten since. Without new client details, the old ones stay.
    pub(super) fn active(
        &self,
        judged: &Judged,
        client: Option<&ClientDetails>,
    ) -> Result<Option<(Arc<Record>, Verdict)>, Error> {
        let copy = self.inner.rules.read();
        if copy.revision() < judged.stands {
            return Ok(None);
        }
        let (rules, app, now) = (copy.rules(), &self.inner.app, judged.now);
        let mut next = judged.record.next(nonce()).with_activity(now);
        if let Some(client) = client {
            next = next.with_client(client);
        }
        let next = next.with_stamps(|org, stamp| Ok::<_, Error>(rules.of(org)?.restamp(stamp)))?;
        let next = next.with_purge_after(purge_after(&judged.record, rules, app, now)?);
        let next = next.as_quiet();
        let verdict = judge(&next, rules, app, now)?;
        Ok(Some((Arc::new(next), verdict)))
    }

    /// Writes the end of a session that is over, before anybody is told of it. If the session was
    /// changed since it was read, it is read again. `None` if it no longer exists.
    pub(super) async fn settle(
        &self,
        budget: &mut TimeBudget,
        mut judged: Judged,
    ) -> Result<Option<Judged>, Error> {
        for _ in 0..MAX_TRIES {
            let Verdict::Over(ended) = &judged.verdict else {
                return Ok(Some(judged));
            };
            if judged.record.has_ended() {
                return Ok(Some(judged));
            }
            match self.write_end(budget, &judged.record, ended).await {
                Ok(Replaced::Done) => return Ok(Some(judged)),
                Ok(Replaced::Stale | Replaced::Gone) => {}
                Err(error) if is_past_doubt(&judged.record, ended, judged.now) => {
                    // This end cannot move. The next reader comes to the same verdict, and tries to
                    // write it again.
                    tracing::warn!(error = %error.with_causes(), "an end could not be recorded");
                    return Ok(Some(judged));
                }
                Err(error) => return Err(error),
            }
            match self.load(budget, judged.record.id()).await? {
                Some(again) => judged = again,
                None => return Ok(None),
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Writes the end of a session into its record, and reports it.
    pub(super) async fn write_end(
        &self,
        budget: &mut TimeBudget,
        record: &Record,
        ended: &Ended,
    ) -> Result<Replaced, Error> {
        let mut next = record.next(nonce()).with_end(ended.clone());
        // Every node that hears of a revocation by the rules comes to the same verdict. The app's
        // limits may differ between nodes during a deployment.
        if ended.reason == EndReason::Revoked {
            next = next.as_quiet();
        }
        let replaced = self.ask_within(budget, self.inner.store.replace(Arc::new(next))).await?;
        // How a session ended is no longer known once its record waits to be purged.
        if replaced == Replaced::Done && ended.at < record.purge_after() {
            let (user, session) = (record.user().clone(), record.id());
            self.tell(None, EventKind::Ended { user, session, ended: ended.clone() });
        }
        Ok(replaced)
    }
}

/// Returns an error if the caller's clock differs too much from the store's own.
pub(super) fn check_clock(clock: Option<Timestamp>, now: Timestamp) -> Result<(), Error> {
    match clock {
        Some(clock) if clock.since(now).max(now.since(clock)) > CLOCK_TOLERANCE => {
            Err(Error::unavailable(ClocksDiffer))
        }
        _ => Ok(()),
    }
}

/// Whether this end is the one fixed in the record, which only moves earlier, and is in the past
/// for every node: one node may be ahead of the store, and another behind it.
fn is_past_doubt(record: &Record, ended: &Ended, now: Timestamp) -> bool {
    let own = record.fixed_deadline().map(|fixed_deadline| fixed_deadline.at);
    let is_own = ended.reason == EndReason::Absolute && own == Some(ended.at);
    is_own && ended.at + CLOCK_TOLERANCE * 2 <= now
}
