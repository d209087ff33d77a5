//! The memberships of a user's sessions in organizations.

use std::sync::Arc;

use super::budget::TimeBudget;
use super::error::{Contended, Error};
use super::handle::Curfew;
use super::parallel::try_in_parallel;
use super::verdict::Judged;
use crate::judge::{Verdict, deadline_after_leaving, purge_after};
use crate::policy::Rules;
use crate::session::{FixedDeadline, Membership, Record, Selector, Stamp, is_valid_name};
use crate::store::{Loaded, Replaced};
use crate::token::nonce;

/// Each try after the first follows a concurrent change.
const MAX_TRIES: u32 = 200;

impl Curfew {
    /// Makes all sessions of a user belong to exactly these organizations.
    ///
    /// The policy of a joined organization binds from the next request on, measured from the
    /// sign-in. After a session leaves an organization, that organization can no longer end it, but
    /// the absolute end that its policy has fixed stays. A session that is already over stays over.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](crate::ErrorKind::InvalidName) if an organization's name has no bytes, more
    /// than 512, or a NUL; [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not
    /// answer, or one of the sessions cannot be read by this version. Some sessions may then have
    /// changed and others not; call it again.
    pub async fn set_orgs(
        &self,
        user: &str,
        orgs: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<(), Error> {
        let mut orgs = orgs.into_iter().map(|org| org.into().into()).collect::<Vec<Arc<str>>>();
        orgs.sort_unstable();
        orgs.dedup();
        let orgs: Arc<[Arc<str>]> = orgs.into();
        if !orgs.iter().all(|org| is_valid_name(org)) {
            return Err(Error::invalid_name());
        }
        let which = Selector::user(user);
        // Joined organizations are stamped with the rules as of this call, or later.
        self.renew_rules(&mut TimeBudget::default()).await?;
        let mut left = Vec::new();
        let mut sessions = self.living(&which);
        while let Some(page) = sessions.next().await? {
            let set = |judged| {
                let (curfew, orgs) = (self.clone(), orgs.clone());
                async move { curfew.set_orgs_of(judged, &orgs).await }
            };
            left.extend(try_in_parallel(page, set).await?.into_iter().flatten());
        }
        if left.is_empty() {
            return Ok(());
        }
        // A policy that was saved in the meantime also fixes the end of sessions that have left.
        let ends = |rules: Rules<'_>| {
            let end = |Left { before, after }: &Left| {
                let stays = |org: &Arc<str>| after.membership(org).is_some();
                deadline_after_leaving(before, rules, &self.inner.app, stays)
            };
            Ok(left.iter().map(end).collect::<Result<Vec<_>, _>>()?)
        };
        let ends = self.read_renewed(ends).await?;
        let fix = |(Left { after, .. }, fixed_deadline): (Left, Option<FixedDeadline>)| {
            let curfew = self.clone();
            async move { curfew.fix_end(after, fixed_deadline).await }
        };
        try_in_parallel(left.into_iter().zip(ends), fix).await.map(drop)
    }

    /// Returns the state of a session before it left organizations, if it left any.
    async fn set_orgs_of(
        &self,
        mut judged: Judged,
        orgs: &[Arc<str>],
    ) -> Result<Option<Left>, Error> {
        let mut budget = TimeBudget::default();
        for _ in 0..MAX_TRIES {
            if let Some(next) = self.with_orgs(&judged, orgs)?.map(Arc::new) {
                let replaced = self.inner.store.replace(next.clone());
                match self.ask_within(&mut budget, replaced).await? {
                    Replaced::Done => {
                        let before = judged.record;
                        let stays = |m: &Membership| orgs.contains(&m.org);
                        let leaves = !before.memberships().iter().all(stays);
                        return Ok(leaves.then_some(Left { before, after: next }));
                    }
                    Replaced::Gone => return Ok(None),
                    Replaced::Stale => {}
                }
            }
            budget = TimeBudget::default();
            let Some(fresh) = self.load(&mut budget, judged.record.id()).await? else {
                return Ok(None);
            };
            // A session that is over must be recorded as ended before it leaves the organization
            // that ended it.
            judged = match self.settle(&mut budget, fresh).await? {
                Some(fresh) if matches!(fresh.verdict, Verdict::Live(_)) => fresh,
                _ => return Ok(None),
            };
        }
        Err(Error::unavailable(Contended))
    }

    /// Fixes the end of a session to this time or earlier.
    async fn fix_end(
        &self,
        mut record: Arc<Record>,
        fixed_deadline: Option<FixedDeadline>,
    ) -> Result<(), Error> {
        let Some(fixed_deadline) = fixed_deadline else {
            return Ok(());
        };
        for _ in 0..MAX_TRIES {
            if record.fixed_deadline().is_some_and(|fixed| fixed.at <= fixed_deadline.at) {
                return Ok(());
            }
            let next =
                Arc::new(record.next(nonce()).with_fixed_deadline(Some(fixed_deadline.clone())));
            match self.ask(self.inner.store.replace(next)).await? {
                Replaced::Done | Replaced::Gone => return Ok(()),
                Replaced::Stale => {}
            }
            match self.ask(self.inner.store.load(record.id())).await? {
                Some(Loaded { record: fresh, .. }) => record = fresh,
                None => return Ok(()),
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// The next record of a living session, with other memberships; `None` if the copy of the rules
    /// was forgotten since the verdict.
    fn with_orgs(&self, judged: &Judged, orgs: &[Arc<str>]) -> Result<Option<Record>, Error> {
        let copy = self.inner.rules.read();
        if copy.revision() < judged.stands {
            return Ok(None);
        }
        let (rules, app, record) = (copy.rules(), &self.inner.app, &judged.record);
        let join = |org: &Arc<str>| match record.membership(org) {
            Some(listed) => Ok(listed.clone()),
            None => {
                // No activity has been recorded under its rules yet.
                let stamp = Stamp { known: 0, ..rules.of(org)?.stamp() };
                Ok::<_, Error>(Membership { org: org.clone(), stamp, joined: judged.now })
            }
        };
        let memberships = orgs.iter().map(join).collect::<Result<Vec<_>, _>>()?;
        let fixed_deadline = deadline_after_leaving(record, rules, app, |org| orgs.contains(org))?;
        let next =
            record.next(nonce()).with_fixed_deadline(fixed_deadline).with_memberships(memberships);
        let due = purge_after(&next, rules, app, next.last_seen())?;
        Ok(Some(next.with_purge_after(due)))
    }
}

/// A session that has left organizations: its previous state, and the result.
struct Left {
    before: Arc<Record>,
    after: Arc<Record>,
}
