//! The effect of a rule change on living sessions: predicted before it, or counted after it.

use std::fmt;

#[cfg(feature = "axum")]
use super::actor::Actor;
use super::budget::TimeBudget;
use super::compare::{Compared, compared};
use super::error::{Contended, Error};
use super::handle::Curfew;
use super::policies::{ReplacedRules, RulesChange, named};
use crate::policy::OrgRules;
use crate::session::{ActiveSession, Session};

/// The predicted effect of a rule change on living sessions. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Preview {
    /// The number of sessions that would end at their next request.
    pub ends_now: u64,
    /// The number of sessions that would end earlier than scheduled, but not at once.
    pub shortened: u64,
    /// Whether there may be more: there are too many sessions, or some cannot be read.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub at_least: bool,
    /// The effect on the session that asks.
    pub own_session: Effect,
}

/// A number of sessions. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The number of sessions that were found.
    pub sessions: u64,
    /// Whether there may be more: there are too many sessions, or some cannot be read.
    pub at_least: bool,
}

/// The effect of a rule change on one session. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It ends at its next request.
    Ends,
    /// It ends earlier than scheduled before.
    Shortened,
    /// Its scheduled end stays the same.
    Unchanged,
}

impl Effect {
    /// Returns a name that stays the same in all versions: `ends`, `shortened` or `unchanged`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ends => "ends",
            Self::Shortened => "shortened",
            Self::Unchanged => "unchanged",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Curfew {
    /// Predicts the effect of a rule change on an organization's sessions, without making the
    /// change.
    ///
    /// It looks at the newest 10,000 sessions at most.
    ///
    /// # Errors
    ///
    /// The same errors as [`set_policy`](Self::set_policy) for
    /// [`InvalidPolicy`](crate::ErrorKind::InvalidPolicy),
    /// [`TooManyPolicies`](crate::ErrorKind::TooManyPolicies) and
    /// [`InvalidName`](crate::ErrorKind::InvalidName);
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn preview(
        &self,
        org: &str,
        change: impl Into<RulesChange>,
        own: &Session,
    ) -> Result<Preview, Error> {
        let org = named(org)?;
        let rules = self.planned(&org, change.into()).await?;
        let Tally { ends_now, shortened, at_least, .. } = self.counted(&org, &rules).await?;
        let own_session = self.effect_on(own, &org, &rules).await?;
        Ok(Preview { ends_now, shortened, at_least, own_session })
    }

    /// Lists the active sessions of an organization before and after a rule change, without making
    /// the change. The second is `None` for a session that would end at its next request.
    ///
    /// It looks at the newest 10,000 sessions at most, newest sign-in first, and leaves out those
    /// that this version cannot read.
    ///
    /// # Errors
    ///
    /// The same errors as [`preview`](Self::preview).
    pub async fn preview_list(
        &self,
        org: &str,
        change: impl Into<RulesChange>,
    ) -> Result<Vec<(ActiveSession, Option<ActiveSession>)>, Error> {
        let org = named(org)?;
        let rules = self.planned(&org, change.into()).await?;
        let mut listed = Vec::new();
        self.compare(&org, &rules, |record, Compared { before, after }| {
            let active = |schedule| ActiveSession::new(record.clone(), schedule);
            listed.push((active(before), after.map(active)));
        })
        .await?;
        Ok(listed)
    }

    /// Predicts the effect of a rule change for everyone on the session that asks.
    ///
    /// Other sessions are not counted, since there may be very many.
    ///
    /// # Errors
    ///
    /// The same errors as [`preview`](Self::preview).
    pub async fn preview_for_everyone(
        &self,
        change: impl Into<RulesChange>,
        own: &Session,
    ) -> Result<Effect, Error> {
        let rules = self.planned(OrgRules::EVERYONE, change.into()).await?;
        self.effect_on(own, OrgRules::EVERYONE, &rules).await
    }

    /// Counts the living sessions of an organization. It looks at the newest 10,000 at most.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn count_org(&self, org: &str) -> Result<Counted, Error> {
        let org = named(org)?;
        let rules = self.read_renewed(|rules| Ok(rules.of(&org)?.clone())).await?;
        let unchanged = ReplacedRules { before: rules.clone(), after: rules };
        let Tally { living, at_least, .. } = self.counted(&org, &unchanged).await?;
        Ok(Counted { sessions: living, at_least })
    }

    /// Sets the policy of an organization, and then counts its effect on living sessions.
    #[cfg(feature = "axum")]
    pub(crate) async fn set_policy_and_count(
        &self,
        by: &Session,
        org: &str,
        policy: crate::policy::OrgPolicy,
    ) -> Result<Tally, Error> {
        let replaced = self.replace_policy(Actor::by(by), named(org)?, Some(policy)).await?;
        Ok(self.tally(org, &replaced).await)
    }

    /// Revokes all sessions of an organization, and then counts the living sessions that this
    /// ended.
    #[cfg(feature = "axum")]
    pub(crate) async fn revoke_org_and_count(
        &self,
        by: &Session,
        org: &str,
    ) -> Result<Counted, Error> {
        let replaced = self.revoke_org_as(Actor::by(by), org.to_owned()).await?;
        let Tally { ends_now, at_least, .. } = self.tally(org, &replaced).await;
        Ok(Counted { sessions: ends_now, at_least })
    }

    /// Counts the effect of a change on living sessions, as far as it can be found out.
    #[cfg(feature = "axum")]
    async fn tally(&self, org: &str, rules: &Option<ReplacedRules>) -> Tally {
        let mut tally = Tally::default();
        let Some(rules) = rules else {
            return tally;
        };
        match self.compare(org, rules, |_, compared| tally.add(&compared)).await {
            Ok(at_least) => tally.at_least = at_least,
            Err(error) => {
                tracing::warn!(error = %error.with_causes(), "sessions could not be counted");
                tally.at_least = true;
            }
        }
        tally
    }

    /// Counts the effect of a change on living sessions.
    async fn counted(&self, org: &str, rules: &ReplacedRules) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        tally.at_least = self.compare(org, rules, |_, compared| tally.add(&compared)).await?;
        Ok(tally)
    }

    /// The current rules of an organization, and its rules after a change.
    async fn planned(&self, org: &str, change: RulesChange) -> Result<ReplacedRules, Error> {
        if let RulesChange::Policy(policy) = change {
            self.check_bounds(policy)?;
        }
        let before = self.read_renewed(|rules| Ok(rules.of(org)?.clone())).await?;
        let after = self.changed(&before, change)?.unwrap_or_else(|| before.clone());
        Ok(ReplacedRules { before, after })
    }

    /// The effect of a change on the session that asks.
    async fn effect_on(
        &self,
        own: &Session,
        org: &str,
        rules: &ReplacedRules,
    ) -> Result<Effect, Error> {
        let judged = self.load(&mut TimeBudget::default(), own.id()).await?;
        let Some(judged) = judged else {
            return Ok(Effect::Unchanged);
        };
        let copy = self.inner.rules.read();
        // Unless the copy was forgotten in the meantime.
        if copy.revision() < judged.stands {
            return Err(Error::unavailable(Contended));
        }
        let (record, now) = (&judged.record, judged.now);
        let compared = compared(record, copy.rules(), org, rules, &self.inner.app, now)?;
        Ok(compared.map_or(Effect::Unchanged, |compared| compared.effect()))
    }
}

/// The number of sessions of an organization, and the effect of a change on them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) living: u64,
    pub(crate) ends_now: u64,
    pub(crate) shortened: u64,
    /// Whether there may be more sessions.
    pub(crate) at_least: bool,
}

impl Tally {
    fn add(&mut self, compared: &Compared) {
        let effect = compared.effect();
        self.living += 1;
        self.ends_now += u64::from(effect == Effect::Ends);
        self.shortened += u64::from(effect == Effect::Shortened);
    }
}

impl Compared {
    fn effect(&self) -> Effect {
        match &self.after {
            None => Effect::Ends,
            Some(after) if after.at() < self.before.at() => Effect::Shortened,
            Some(_) => Effect::Unchanged,
        }
    }
}
