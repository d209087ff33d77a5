//! Seeing sessions.

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

/// A list is for people to read.
const MAX_LISTED: usize = 1_000;

/// So many are read at once.
const PAGE: u32 = 100;

/// Each try but the first follows a change that somebody made since the last one.
const MAX_TRIES: u32 = 8;

/// A part of the sessions that a selector names.
pub(super) struct Found {
    pub(super) records: Vec<Arc<Record>>,
    pub(super) unreadable: u32,
    /// After which place there are more.
    pub(super) next: Option<Place>,
    pub(super) rules: Revision,
    /// When they were asked for, by a clock that the store does not contradict.
    pub(super) now: Timestamp,
}

impl Curfew {
    /// The active sessions of a user, newest sign-in first: all that would pass the check now, and
    /// no other. At most 1,000, the newest.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer, or holds a session
    /// among them that this version cannot read.
    pub async fn list(&self, user: &str) -> Result<Vec<ActiveSession>, Error> {
        self.list_by(&Selector::user(user)).await
    }

    /// The active sessions of an organization, as [`list`](Self::list) shows those of a user.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub async fn list_org(&self, org: &str) -> Result<Vec<ActiveSession>, Error> {
        self.list_by(&Selector::org(org)).await
    }

    /// As [`list`](Self::list), of the sessions that a selector names, such as those with a link.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
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

    /// One page of the sessions that a selector names and that have not ended.
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
        // By a wrong clock they would be over, or not, for reasons of their own.
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

/// The living among the sessions that a selector names, page by page, newest sign-in first. Those that
/// turn out to be over are written as such before it goes on.
pub(super) struct LivingSessions<'a> {
    curfew: &'a Curfew,
    which: &'a Selector,
    after: Option<Place>,
    more: bool,
    /// For all pages together.
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

    /// One page, judged by rules that are no older.
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
    /// What became of a session that a list has found, once its end is written down if it has one.
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
