//! What a change of rules would do, told before it is made.

use std::fmt;

use super::budget::TimeBudget;
use super::error::Error;
use super::handle::Curfew;
use super::policies::{RulesChange, named};
use super::verdict::Judged;
use crate::judge::{Verdict, judge};
use crate::policy::OrgRules;
use crate::session::{Selector, Session};

/// What a change of rules would do to living sessions. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Preview {
    /// How many sessions would end at their next request.
    pub ends_now: u64,
    /// How many would end earlier than now scheduled, but not at once.
    pub shortened: u64,
    /// What would happen to the session of whoever asks.
    pub own_session: Effect,
}

/// What a change of rules does to one session. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It ends at its next request.
    Ends,
    /// It ends earlier than scheduled before.
    Shortened,
    /// It ends when it would have ended anyway.
    Unchanged,
}

impl Effect {
    /// A name that stays the same in all versions: `ends`, `shortened` or `unchanged`.
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
    /// What a change of an organization's rules would do, without doing it. It reads all sessions of
    /// the organization.
    ///
    /// # Errors
    ///
    /// As [`set_policy`](Self::set_policy).
    pub async fn preview(
        &self,
        org: &str,
        change: impl Into<RulesChange>,
        own: &Session,
    ) -> Result<Preview, Error> {
        let org = named(org)?;
        let next = self.changed_rules(&org, change.into()).await?;
        let which = Selector::org(&org);
        let mut sessions = self.living(&which);
        let mut preview = Preview { ends_now: 0, shortened: 0, own_session: Effect::Unchanged };
        while let Some(page) = sessions.next().await? {
            for judged in page {
                let effect = self.effect(&judged, &org, &next)?;
                match effect {
                    Effect::Ends => preview.ends_now += 1,
                    Effect::Shortened => preview.shortened += 1,
                    Effect::Unchanged => {}
                }
                if judged.record.id() == own.id() {
                    preview.own_session = effect;
                }
            }
        }
        Ok(preview)
    }

    /// What a change of the rules for everyone would do to the session of whoever asks. It counts
    /// nobody else's, since they may be very many.
    ///
    /// # Errors
    ///
    /// As [`set_policy`](Self::set_policy).
    pub async fn preview_for_everyone(
        &self,
        change: impl Into<RulesChange>,
        own: &Session,
    ) -> Result<Effect, Error> {
        let next = self.changed_rules(OrgRules::EVERYONE, change.into()).await?;
        let mut budget = TimeBudget::default();
        let judged = self.load(&mut budget, own.id()).await?;
        match judged {
            Some(judged) => self.effect(&judged, OrgRules::EVERYONE, &next),
            None => Ok(Effect::Unchanged),
        }
    }

    /// The rules as they would be after a change.
    async fn changed_rules(&self, org: &str, change: RulesChange) -> Result<OrgRules, Error> {
        if let RulesChange::Policy(policy) = change {
            self.check_bounds(policy)?;
        }
        let rules = self.read_renewed(|rules| Ok(rules.of(org)?.clone())).await?;
        Ok(self.changed(&rules, change)?.unwrap_or(rules))
    }

    fn effect(&self, judged: &Judged, org: &str, next: &OrgRules) -> Result<Effect, Error> {
        let Verdict::Live(before) = &judged.verdict else {
            return Ok(Effect::Unchanged);
        };
        let copy = self.inner.rules.read();
        let rules = copy.rules().with(org, next);
        Ok(match judge(&judged.record, rules, &self.inner.app, judged.now)? {
            Verdict::Live(after) if after.schedule.at() < before.schedule.at() => Effect::Shortened,
            Verdict::Live(_) => Effect::Unchanged,
            Verdict::Over(_) | Verdict::Gone => Effect::Ends,
        })
    }
}
