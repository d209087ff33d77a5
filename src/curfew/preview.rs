//! The effect of a rule change on living sessions: predicted before it, or counted after it.

use std::fmt;

#[cfg(feature = "axum")]
use super::actor::Actor;
use super::budget::TimeBudget;
use super::error::{Contended, Error};
use super::handle::Curfew;
use super::policies::{ReplacedRules, RulesChange, named};
use crate::clock::Timestamp;
use crate::encoding::Unreadable;
use crate::judge::{AppLimits, Verdict, judge};
use crate::policy::{OrgRules, Rules};
use crate::session::{Record, Selector, Session};

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
        let mut tally = Tally::default();
        self.compare(&org, &rules, &mut tally).await?;
        let Tally { ends_now, shortened, at_least, .. } = tally;
        let own_session = self.effect_on(own, &org, &rules).await?;
        Ok(Preview { ends_now, shortened, at_least, own_session })
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
        let mut tally = Tally::default();
        let unchanged = ReplacedRules { before: rules.clone(), after: rules };
        self.compare(&org, &unchanged, &mut tally).await?;
        Ok(Counted { sessions: tally.living, at_least: tally.at_least })
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
        if let Err(error) = self.compare(org, rules, &mut tally).await {
            tracing::warn!(error = %error.with_causes(), "sessions could not be counted");
            tally.at_least = true;
        }
        tally
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

    /// Compares the verdicts on an organization's sessions before and after a change.
    async fn compare(
        &self,
        org: &str,
        rules: &ReplacedRules,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        let which = Selector::org(org);
        let (mut looked_at, mut pages) = (0, Some(None));
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
            tally.at_least |= found.unreadable != 0;
            for record in &found.records {
                match effect(record, copy.rules(), org, rules, &self.inner.app, found.now) {
                    Ok(effect) => tally.add(effect),
                    Err(Unreadable) => tally.at_least = true,
                }
            }
            drop(copy);
            pages = found.next.map(Some);
            if MAX_COUNTED <= looked_at && pages.is_some() {
                tally.at_least = true;
                break;
            }
        }
        Ok(())
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
        let effect = effect(&judged.record, copy.rules(), org, rules, &self.inner.app, judged.now)?;
        Ok(effect.unwrap_or(Effect::Unchanged))
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
    /// Counts a session. A session that was over before the change does not count.
    fn add(&mut self, effect: Option<Effect>) {
        self.living += u64::from(effect.is_some());
        self.ends_now += u64::from(effect == Some(Effect::Ends));
        self.shortened += u64::from(effect == Some(Effect::Shortened));
    }
}

/// The most sessions looked at: larger numbers are of little use, and each session costs the store
/// a read.
const MAX_COUNTED: usize = 10_000;

/// The effect of a change on one session; `None` if it is over without the change.
fn effect(
    record: &Record,
    stand: Rules<'_>,
    org: &str,
    ReplacedRules { before, after }: &ReplacedRules,
    app: &AppLimits,
    now: Timestamp,
) -> Result<Option<Effect>, Unreadable> {
    let Verdict::Live(before) = judge(record, stand.with(org, before), app, now)? else {
        return Ok(None);
    };
    Ok(Some(match judge(record, stand.with(org, after), app, now)? {
        Verdict::Live(after) if after.schedule.at() < before.schedule.at() => Effect::Shortened,
        Verdict::Live(_) => Effect::Unchanged,
        Verdict::Over(_) | Verdict::Gone => Effect::Ends,
    }))
}
