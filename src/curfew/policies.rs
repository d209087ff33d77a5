//! What an organisation's admin does: set, preview and remove its policy, revoke all its sessions.

use std::sync::Arc;

use time::Duration;

use super::error::Contended;
use super::{Curfew, Error, TRIES};
use crate::event::What;
use crate::judge::Verdict;
use crate::limits::Spelled;
use crate::policy::{OrgPolicy, OrgRules, PolicyVersion};
use crate::session::{Selector, Session, is_sound_name};
use crate::time::Timestamp;

/// What a change of policy would do to living sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preview {
    /// How many sessions would end at their next request.
    pub ends_now: u64,
    /// How many would end earlier than now scheduled, but not at once.
    pub shortened: u64,
    /// What would happen to the session of whoever asks.
    pub own_session: Effect,
}

/// What a change of policy does to one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It ends at its next request.
    Ends,
    /// It ends earlier than scheduled before.
    Shortened,
    /// It ends when it would have ended anyway.
    Unchanged,
}

impl Curfew {
    /// The policy of an organisation with the time it came into force; `None` if it never had one.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn policy(&self, org: impl ToString) -> Result<Option<PolicyVersion>, Error> {
        let org = org.to_string();
        if !is_sound_name(&org) {
            return Ok(None);
        }
        let rules = self.ask(self.inner.store.org_rules(&org)).await?;
        Ok(rules.and_then(|rules| rules.in_force()))
    }

    /// Sets the policy of an organisation. It bites at the next request of each session.
    ///
    /// Sessions older than the new length end then; the others end no later than the new length
    /// after their sign-in, and never later than was scheduled before. It is one small write,
    /// however many sessions the organisation has. Who may do this is for the app to say.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy`](crate::ErrorKind::InvalidPolicy) if a limit is out of
    /// [bounds](crate::Builder::policy_bounds),
    /// [`TooManyPolicies`](crate::ErrorKind::TooManyPolicies) after 64 changes that may all still
    /// bind sessions, [`InvalidName`](crate::ErrorKind::InvalidName) if the organisation's name
    /// cannot be kept, [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn set_policy(&self, org: impl ToString, policy: OrgPolicy) -> Result<(), Error> {
        self.check_bounds(policy)?;
        self.replace_policy(org.to_string(), Some(policy)).await
    }

    /// Removes the policy of an organisation. Living sessions keep their scheduled end; new ones get
    /// the app's own limits.
    ///
    /// # Errors
    ///
    /// As [`set_policy`](Self::set_policy).
    pub async fn clear_policy(&self, org: impl ToString) -> Result<(), Error> {
        self.replace_policy(org.to_string(), None).await
    }

    async fn replace_policy(&self, org: String, policy: Option<OrgPolicy>) -> Result<(), Error> {
        let curfew = self.clone();
        let work = async move {
            let now = curfew.now();
            let next = |rules: &OrgRules| curfew.next_rules(rules, policy, now);
            if curfew.change_rules(&org, now, next).await? {
                curfew.tell_of_actor(What::PolicyChanged { org: org.into(), policy });
            }
            Ok(())
        };
        self.uninterrupted(work).await
    }

    /// Ends all sessions of an organisation, that of whoever asks included. It bites at their next
    /// request; whoever signs in after it lives. It is one small write, however many there are.
    ///
    /// # Errors
    ///
    /// As [`set_policy`](Self::set_policy).
    pub async fn revoke_org(&self, org: impl ToString) -> Result<(), Error> {
        let (curfew, org) = (self.clone(), org.to_string());
        let work = async move {
            let next = |rules: &OrgRules| Ok(Some(rules.with_revocation()));
            curfew.change_rules(&org, curfew.now(), next).await?;
            curfew.tell_of_actor(What::OrgRevoked { org: org.into() });
            Ok(())
        };
        self.uninterrupted(work).await
    }

    /// What [`set_policy`](Self::set_policy) would do, without doing it. It reads all sessions of the
    /// organisation.
    ///
    /// # Errors
    ///
    /// As [`set_policy`](Self::set_policy).
    pub async fn preview(
        &self,
        org: impl ToString,
        policy: OrgPolicy,
        own: &Session,
    ) -> Result<Preview, Error> {
        self.check_bounds(policy)?;
        let org = org.to_string();
        if !is_sound_name(&org) {
            return Err(Error::invalid_name());
        }
        let now = self.now();
        let rules = self.ask(self.inner.store.org_rules(&org)).await?;
        let rules = rules.as_deref().cloned().unwrap_or_else(|| OrgRules::first(now));
        let next = Arc::new(self.next_rules(&rules, Some(policy), now)?.unwrap_or(rules));
        let which = Selector::org(&org);
        let mut listing = self.listing(&which);
        let mut preview = Preview { ends_now: 0, shortened: 0, own_session: Effect::Unchanged };
        while let Some(page) = listing.next().await? {
            for facts in page {
                let Verdict::Live(before) = self.judge(&facts, now)? else {
                    continue;
                };
                let effect = match self.judge(&facts.with_rules(&org, &next), now)? {
                    Verdict::Live(after) if after.ends.at() < before.ends.at() => Effect::Shortened,
                    Verdict::Live(_) => Effect::Unchanged,
                    Verdict::Over(_) | Verdict::Gone => Effect::Ends,
                };
                match effect {
                    Effect::Ends => preview.ends_now += 1,
                    Effect::Shortened => preview.shortened += 1,
                    Effect::Unchanged => {}
                }
                if facts.record().id == own.id() {
                    preview.own_session = effect;
                }
            }
        }
        Ok(preview)
    }

    /// How many of these sessions are alive. It reads them all.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn count(&self, which: &Selector) -> Result<u64, Error> {
        let mut listing = self.listing(which);
        let mut living = 0;
        while let Some(page) = listing.next().await? {
            for facts in page {
                living += u64::from(matches!(self.judge(&facts, self.now())?, Verdict::Live(_)));
            }
        }
        Ok(living)
    }

    /// The shortest and the longest limit that a policy may set.
    pub fn policy_bounds(&self) -> (Duration, Duration) {
        self.inner.policy_bounds
    }

    fn check_bounds(&self, policy: OrgPolicy) -> Result<(), Error> {
        let (least, most) = self.policy_bounds();
        let limits = [("absolute", policy.absolute_limit()), ("idle", policy.idle_limit())];
        for (kind, limit) in limits {
            if let Some(limit) = limit.filter(|limit| !(least..=most).contains(limit)) {
                let (limit, least, most) = (Spelled(limit), Spelled(least), Spelled(most));
                return Err(Error::invalid_policy(format!(
                    "the {kind} limit of {limit} is not between {least} and {most}"
                )));
            }
        }
        Ok(())
    }

    /// The rules with this policy in force, or with none; `None` if it is so already.
    fn next_rules(
        &self,
        rules: &OrgRules,
        policy: Option<OrgPolicy>,
        now: Timestamp,
    ) -> Result<Option<OrgRules>, Error> {
        if rules.policy() == policy {
            return Ok(None);
        }
        Ok(Some(rules.with_policy(policy, self.inner.base.longest_silence(), now)?))
    }

    /// Replaces the rules of an organisation by what `change` makes of them, and says so; nothing if
    /// that is nothing. Of two who do this at once both take effect, in some order.
    async fn change_rules(
        &self,
        org: &str,
        now: Timestamp,
        change: impl Fn(&OrgRules) -> Result<Option<OrgRules>, Error> + Send,
    ) -> Result<bool, Error> {
        if !is_sound_name(org) {
            return Err(Error::invalid_name());
        }
        for _ in 0..TRIES {
            let current = self.ask(self.inner.store.org_rules(org)).await?;
            let expected = current.as_ref().map(|rules| rules.revision());
            let rules = current.as_deref().cloned().unwrap_or_else(|| OrgRules::first(now));
            let Some(next) = change(&rules)? else {
                return Ok(false);
            };
            if self.ask(self.inner.store.put_org_rules(org, expected, next)).await? {
                return Ok(true);
            }
        }
        Err(Error::unavailable(Contended))
    }
}
