//! Listing sessions.

use std::sync::Arc;

use super::budget::TimeBudget;
use super::error::{Contended, Error, UnreadableRecords};
use super::handle::Curfew;
use super::parallel::try_in_parallel;
use super::verdict::{Judged, check_clock};
use crate::clock::Timestamp;
use crate::judge::Verdict;
use crate::session::{ActiveSession, Ended, Record, Revision, Selector};
use crate::store::{Listed, Loaded, Page, Place};

/// The most sessions in a list, which is meant for display.
const MAX_LISTED: usize = 1_000;

/// The number of sessions read at once.
const PAGE: u32 = 100;

/// Each try after the first follows a concurrent change.
const MAX_TRIES: u32 = 8;

/// A page of the sessions that a selector names.
pub(super) struct Found {
    pub(super) records: Vec<Arc<Record>>,
    pub(super) unreadable: u32,
    /// Where the next page begins; `None` on the last page.
    pub(super) next: Option<Place>,
    pub(super) rules: Revision,
    /// The time of the request, by a clock that agrees with the store's.
    pub(super) now: Timestamp,
}

impl Curfew {
    /// Lists the active sessions of a user, newest sign-in first.
    ///
    /// The list has exactly the sessions that would pass the check now, at most the newest 1,000.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer, or one of the
    /// sessions cannot be read by this version.
    pub async fn list(&self, user: &str) -> Result<Vec<ActiveSession>, Error> {
        self.list_by(&Selector::user(user)).await
    }

    /// Lists the active sessions of an organization, as [`list`](Self::list) does for a user.
    ///
    /// # Errors
    ///
    /// The same errors as [`list`](Self::list).
    pub async fn list_org(&self, org: &str) -> Result<Vec<ActiveSession>, Error> {
        self.list_by(&Selector::org(org)).await
    }

    /// Lists the active sessions that a selector names, such as those with a link.
    ///
    /// # Errors
    ///
    /// The same errors as [`list`](Self::list).
    pub async fn list_by(&self, which: &Selector) -> Result<Vec<ActiveSession>, Error> {
        let mut active = Vec::new();
        let mut sessions = self.living(which);
        while let Some(page) = sessions.next().await? {
            active.extend(page.into_iter().filter_map(Judged::active));
            if MAX_LISTED <= active.len() {
                active.truncate(MAX_LISTED);
                break;
            }
        }
        Ok(active)
    }

    pub(super) fn living<'a>(&'a self, which: &'a Selector) -> LivingSessions<'a> {
        let (after, more) = (None, which.can_match());
        LivingSessions { curfew: self, which, after, more, budget: TimeBudget::default() }
    }

    /// Reads a page of the sessions that a selector names and that have not ended.
    pub(super) async fn find(
        &self,
        budget: &mut TimeBudget,
        which: &Selector,
        after: Option<Place>,
    ) -> Result<Found, Error> {
        let (store, now) = (&self.inner.store, self.now());
        let (clock, mut found) = match (which.key(), which.by_session()) {
            (Some(key), _) => {
                let page = Page { after, at_most: PAGE };
                let listed = self.ask_within(budget, store.list(&key, page)).await?;
                let Listed { records, unreadable, next, rules, clock } = listed;
                (clock, Found { records, unreadable, next, rules, now })
            }
            (None, Some(id)) => {
                let loaded = self.ask_within(budget, store.load(id)).await?;
                let rules = loaded.as_ref().map_or(Revision::NONE, |loaded| loaded.rules);
                let clock = loaded.as_ref().and_then(|loaded| loaded.clock);
                let records = loaded.map(|Loaded { record, .. }| record).into_iter().collect();
                (clock, Found { records, unreadable: 0, next: None, rules, now })
            }
            (None, None) => unreachable!("a selector has a condition"),
        };
        // With a wrong clock, the verdicts would be wrong.
        check_clock(clock, now)?;
        found.records.retain(|record| which.matches(record));
        Ok(found)
    }
}

impl Judged {
    fn active(self) -> Option<ActiveSession> {
        match self.verdict {
            Verdict::Live(live) => Some(ActiveSession::new(self.record, live.schedule)),
            Verdict::Over(_) | Verdict::Gone => None,
        }
    }
}

/// The living sessions of a selector, page by page, newest sign-in first. Sessions that turn out to
/// be over are recorded as ended before the next page.
pub(super) struct LivingSessions<'a> {
    curfew: &'a Curfew,
    which: &'a Selector,
    after: Option<Place>,
    more: bool,
    /// The budget for all pages together.
    budget: TimeBudget,
}

impl LivingSessions<'_> {
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Judged>>, Error> {
        if !self.more {
            return Ok(None);
        }
        self.curfew.next_turn(&mut self.budget).await?;
        let settled = try_in_parallel(self.judged().await?, |judged| {
            let curfew = self.curfew.clone();
            async move { curfew.settled(judged).await }
        });
        let is_alive = |judged: &Judged| matches!(judged.verdict, Verdict::Live(_));
        Ok(Some(settled.await?.into_iter().flatten().filter(is_alive).collect()))
    }

    /// Reads one page, and judges it by rules that are at least as new.
    async fn judged(&mut self) -> Result<Vec<Judged>, Error> {
        let curfew = self.curfew;
        for _ in 0..MAX_TRIES {
            let mut budget = TimeBudget::default();
            let before = curfew.inner.rules.revision();
            let found = curfew.find(&mut budget, self.which, self.after).await?;
            if found.unreadable != 0 {
                return Err(Error::unavailable(UnreadableRecords));
            }
            if !curfew.catch_up(&mut budget, before, found.rules).await? {
                continue;
            }
            let mut page = Vec::with_capacity(found.records.len());
            for record in found.records {
                page.push(curfew.judge(&mut budget, record, found.rules, found.now).await?);
            }
            if let Some(page) = page.into_iter().collect::<Option<Vec<_>>>() {
                (self.after, self.more) = (found.next, found.next.is_some());
                return Ok(page);
            }
        }
        Err(Error::unavailable(Contended))
    }
}

impl Curfew {
    /// Settles a session of a list: writes its end if it is over.
    async fn settled(&self, judged: Judged) -> Result<Option<Judged>, Error> {
        match judged.verdict {
            Verdict::Live(_) => Ok(Some(judged)),
            Verdict::Over(_) => self.settle(&mut TimeBudget::default(), judged).await,
            Verdict::Gone => {
                // Until it is deleted, it must not fill a place under the cap.
                let ended = Ended::revoked(judged.now);
                if let Err(error) = self.end_record(judged.record, &ended).await {
                    tracing::warn!(error = %error.with_causes(), "an end could not be recorded");
                }
                Ok(None)
            }
        }
    }
}
