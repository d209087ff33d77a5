//! The verdicts on sessions before and after a rule change.

use std::sync::Arc;

use super::budget::TimeBudget;
use super::error::Error;
use super::handle::Curfew;
use super::policies::ReplacedRules;
use crate::clock::Timestamp;
use crate::encoding::Unreadable;
use crate::judge::{AppLimits, Verdict, judge};
use crate::policy::Rules;
use crate::session::{Record, Schedule, Selector};

/// The most sessions looked at: larger numbers are of little use, and each session costs the store
/// a read.
const MAX_COUNTED: usize = 10_000;

/// When a living session ends before and after a change; after it `None` is at once.
pub(super) struct Compared {
    pub(super) before: Schedule,
    pub(super) after: Option<Schedule>,
}

/// Judges a session before and after a change; `None` if it is over without the change.
pub(super) fn compared(
    record: &Record,
    stand: Rules<'_>,
    org: &str,
    ReplacedRules { before, after }: &ReplacedRules,
    app: &AppLimits,
    now: Timestamp,
) -> Result<Option<Compared>, Unreadable> {
    let Verdict::Live(before) = judge(record, stand.with(org, before), app, now)? else {
        return Ok(None);
    };
    let after = match judge(record, stand.with(org, after), app, now)? {
        Verdict::Live(after) => Some(after.schedule),
        Verdict::Over(_) | Verdict::Gone => None,
    };
    Ok(Some(Compared { before: before.schedule, after }))
}

impl Curfew {
    /// Compares the verdicts on an organization's living sessions before and after a change.
    /// Returns whether there may be more sessions.
    pub(super) async fn compare(
        &self,
        org: &str,
        rules: &ReplacedRules,
        mut each: impl FnMut(&Arc<Record>, Compared),
    ) -> Result<bool, Error> {
        let which = Selector::org(org);
        let (mut looked_at, mut at_least, mut pages) = (0, false, Some(None));
        let mut all = TimeBudget::default();
        while let Some(after) = pages {
            self.next_turn(&mut all).await?;
            let mut budget = TimeBudget::default();
            let revision = self.inner.rules.revision();
            let found = self.find(&mut budget, &which, after).await?;
            if !self.catch_up(&mut budget, revision, found.rules).await? {
                continue;
            }
            let copy = self.inner.rules.read();
            // Unless the copy was forgotten in the meantime.
            if copy.revision() < found.rules {
                continue;
            }
            looked_at += found.records.len();
            at_least |= found.unreadable != 0;
            for record in &found.records {
                match compared(record, copy.rules(), org, rules, &self.inner.app, found.now) {
                    Ok(None) => {}
                    Ok(Some(compared)) => each(record, compared),
                    Err(Unreadable) => at_least = true,
                }
            }
            drop(copy);
            pages = found.next.map(Some);
            if MAX_COUNTED <= looked_at && pages.is_some() {
                at_least = true;
                break;
            }
        }
        Ok(at_least)
    }
}
