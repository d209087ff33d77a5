//! Setting and removing the policy of an organization or of everyone.

use std::sync::Arc;

use time::Duration;

use super::actor::Actor;
use super::budget::TimeBudget;
use super::error::{Contended, Error};
use super::handle::Curfew;
use crate::event::EventKind;
use crate::limits::Spelled;
use crate::policy::{OrgPolicy, OrgRules, PolicyVersion};
use crate::session::{Session, is_valid_name};
use crate::token::nonce;

/// A change of the rules that bind sessions, for [`Curfew::preview`]. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulesChange {
    /// This policy is set.
    Policy(OrgPolicy),
    /// The policy is removed.
    NoPolicy,
    /// All sessions are revoked.
    Revocation,
}

impl From<OrgPolicy> for RulesChange {
    fn from(policy: OrgPolicy) -> Self {
        Self::Policy(policy)
    }
}

/// The rules of an organization before and after a change.
pub(super) struct ReplacedRules {
    pub(super) before: OrgRules,
    pub(super) after: OrgRules,
}

/// How often a change is computed again after concurrent changes of the same rules.
const MAX_TRIES: u32 = 200;

impl Curfew {
    /// Returns an organization's policy and when it came into force; `None` if it never had one.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn policy(&self, org: &str) -> Result<Option<PolicyVersion>, Error> {
        if !is_valid_name(org) {
            return Ok(None);
        }
        self.policy_of(org).await
    }

    /// Returns the policy for everyone and when it came into force; `None` without one so far.
    ///
    /// # Errors
    ///
    /// The same errors as [`policy`](Self::policy).
    pub async fn policy_for_everyone(&self) -> Result<Option<PolicyVersion>, Error> {
        self.policy_of(OrgRules::EVERYONE).await
    }

    async fn policy_of(&self, org: &str) -> Result<Option<PolicyVersion>, Error> {
        self.read_renewed(|rules| Ok(rules.of(org)?.in_force())).await
    }

    /// Sets the policy of an organization. It applies to each session from its next request on.
    ///
    /// Sessions older than the new limit end then. The others end at the new limit after their
    /// sign-in, or at their scheduled end if that is earlier. The change is one small write,
    /// regardless of the number of sessions. The app must check that the user may change the
    /// policy.
    ///
    /// The policy is set in the name of a session, and refused if that session has ended in the
    /// meantime, even if the request arrived slowly. A program without a session uses
    /// [`Operator::set_policy`](super::Operator::set_policy).
    ///
    /// # Errors
    ///
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired) if the acting session has ended or was
    /// rotated; [`InvalidPolicy`](crate::ErrorKind::InvalidPolicy) if a limit is out of
    /// [bounds](crate::Builder::policy_bounds);
    /// [`TooManyPolicies`](crate::ErrorKind::TooManyPolicies) after 64 changes that may all still
    /// bind sessions, unless this change only tightens the last one, and after 128 in any case;
    /// [`InvalidName`](crate::ErrorKind::InvalidName) if the organization's name is invalid;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn set_policy(
        &self,
        by: &Session,
        org: impl Into<String>,
        policy: OrgPolicy,
    ) -> Result<(), Error> {
        self.replace_org_policy(Actor::by(by), org.into(), Some(policy)).await
    }

    /// Sets a policy for everyone, on top of the app's limits and the organizations' policies.
    ///
    /// It works as if all sessions belonged to one organization with that policy.
    ///
    /// # Errors
    ///
    /// The same errors as [`set_policy`](Self::set_policy).
    pub async fn set_policy_for_everyone(
        &self,
        by: &Session,
        policy: OrgPolicy,
    ) -> Result<(), Error> {
        self.replace_policy_for_everyone(Actor::by(by), Some(policy)).await
    }

    /// Removes the policy of an organization. Living sessions keep their scheduled end; new
    /// sessions get the app's limits.
    ///
    /// # Errors
    ///
    /// The same errors as [`set_policy`](Self::set_policy).
    pub async fn clear_policy(&self, by: &Session, org: impl Into<String>) -> Result<(), Error> {
        self.replace_org_policy(Actor::by(by), org.into(), None).await
    }

    /// Removes the policy for everyone. Living sessions keep their scheduled end.
    ///
    /// # Errors
    ///
    /// The same errors as [`set_policy`](Self::set_policy).
    pub async fn clear_policy_for_everyone(&self, by: &Session) -> Result<(), Error> {
        self.replace_policy_for_everyone(Actor::by(by), None).await
    }

    pub(super) async fn replace_org_policy(
        &self,
        actor: Actor,
        org: String,
        policy: Option<OrgPolicy>,
    ) -> Result<(), Error> {
        self.replace_policy(actor, named(org)?, policy).await.map(drop)
    }

    pub(super) async fn replace_policy_for_everyone(
        &self,
        actor: Actor,
        policy: Option<OrgPolicy>,
    ) -> Result<(), Error> {
        self.replace_policy(actor, OrgRules::EVERYONE.into(), policy).await.map(drop)
    }

    /// Puts a policy in force, and returns the rules before and after; `None` if it was already in
    /// force.
    pub(super) async fn replace_policy(
        &self,
        actor: Actor,
        org: Arc<str>,
        policy: Option<OrgPolicy>,
    ) -> Result<Option<ReplacedRules>, Error> {
        if let Some(policy) = policy {
            self.check_bounds(policy)?;
        }
        let curfew = self.clone();
        self.to_the_end(async move {
            curfew.renew_rules(&mut TimeBudget::default()).await?;
            curfew.refuse_if_ended(&actor).await?;
            let change = policy.map_or(RulesChange::NoPolicy, RulesChange::Policy);
            let replaced = curfew.change_rules(&org, |rules| curfew.changed(rules, change)).await?;
            if replaced.is_some() {
                let org = Some(org).filter(|org| **org != *OrgRules::EVERYONE);
                curfew.tell(Some(actor.name()), EventKind::PolicyChanged { org, policy });
            }
            Ok(replaced)
        })
        .await
    }

    /// Returns the shortest and the longest limit that a policy may set.
    pub fn policy_bounds(&self) -> (Duration, Duration) {
        self.inner.policy_bounds
    }

    pub(super) fn check_bounds(&self, policy: OrgPolicy) -> Result<(), Error> {
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

    /// The rules after a change; `None` if it changes nothing.
    pub(super) fn changed(
        &self,
        rules: &OrgRules,
        change: RulesChange,
    ) -> Result<Option<OrgRules>, Error> {
        let now = self.now();
        let policy = match change {
            RulesChange::Policy(policy) => Some(policy),
            RulesChange::NoPolicy => None,
            RulesChange::Revocation => return Ok(Some(rules.with_revocation(now, nonce()))),
        };
        if rules.policy() == policy {
            return Ok(None);
        }
        // Under this handle or any other.
        let known = self.rules_of(OrgRules::EVERYONE)?.longest_silence();
        let own = self.inner.app.longest_silence();
        let longest = known.map_or(own, |known| known.max(own));
        Ok(Some(rules.with_policy(policy, longest, now, nonce())?))
    }

    /// The rules of an organization, as this node knows them.
    fn rules_of(&self, org: &str) -> Result<OrgRules, Error> {
        let copy = self.inner.rules.read();
        Ok(copy.rules().of(org)?.clone())
    }

    /// Replaces the rules that this node knows by the result of `change`; `None` if it changes
    /// nothing. Two concurrent changes both take effect, in some order.
    pub(super) async fn change_rules(
        &self,
        org: &str,
        change: impl Fn(&OrgRules) -> Result<Option<OrgRules>, Error> + Send,
    ) -> Result<Option<ReplacedRules>, Error> {
        for _ in 0..MAX_TRIES {
            let before = self.rules_of(org)?;
            let Some(after) = change(&before)? else {
                return Ok(None);
            };
            if self.ask(self.inner.store.replace_rules(org, after.clone(), self.now())).await? {
                return Ok(Some(ReplacedRules { before, after }));
            }
            self.renew_rules(&mut TimeBudget::default()).await?;
        }
        Err(Error::unavailable(Contended))
    }
}

/// The name of an organization, if it is valid.
pub(super) fn named(org: impl Into<String>) -> Result<Arc<str>, Error> {
    let org = org.into();
    if is_valid_name(&org) { Ok(org.into()) } else { Err(Error::invalid_name()) }
}
