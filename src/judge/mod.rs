//! The one conclusion: whether a session is alive, when it will end, and why it has ended.
//!
//! Stores keep facts; here, and nowhere else, a time is compared with a limit. So every store gives
//! the same answer, and a change of policy needs no write to any session.

use std::sync::Arc;

use time::Duration;

use crate::limits::{GRACE, Limit, Limits, shorter};
use crate::policy::OrgRules;
use crate::session::{End, EndReason, Ended, Ends, EndsBy, Kind, Membership, Record};
use crate::time::Timestamp;

#[cfg(test)]
mod tests;

/// A record and the rules of its organisations, as one consistent read of the store found them.
#[derive(Clone, Debug)]
pub struct Facts {
    record: Arc<Record>,
    // In the order of the record's memberships.
    rules: Vec<Arc<OrgRules>>,
    read_at: Option<Timestamp>,
}

impl Facts {
    /// Puts a record together with the rules of its organisations.
    ///
    /// # Errors
    ///
    /// [`RulesMissing`] if there are none for one of them. Every membership is stamped from such
    /// rules, so they were lost; and lost rules must not pass as "no policy".
    pub fn new(
        record: impl Into<Arc<Record>>,
        mut rules_of: impl FnMut(&str) -> Option<Arc<OrgRules>>,
    ) -> Result<Self, RulesMissing> {
        let record = record.into();
        let rules = record
            .memberships
            .iter()
            .map(|membership| rules_of(&membership.org).ok_or(RulesMissing))
            .collect::<Result<_, _>>()?;
        Ok(Self { record, rules, read_at: None })
    }

    /// These facts, read when the store's own clock showed `at`. A store on another machine says so;
    /// then a node whose clock is wrong notices.
    #[must_use]
    pub fn read_at(self, at: Timestamp) -> Self {
        Self { read_at: Some(at), ..self }
    }

    /// The record.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// These facts as they would be under other rules of one organisation.
    pub(crate) fn with_rules(&self, org: &str, rules: &Arc<OrgRules>) -> Self {
        let mut facts = self.clone();
        for (membership, held) in facts.record.memberships.iter().zip(&mut facts.rules) {
            if *membership.org == *org {
                *held = rules.clone();
            }
        }
        facts
    }

    pub(crate) fn record_mut(&mut self) -> &mut Record {
        Arc::make_mut(&mut self.record)
    }

    /// The memberships of the record, each with the rules of its organisation.
    pub fn memberships(&self) -> impl Iterator<Item = (&Membership, &Arc<OrgRules>)> {
        self.record.memberships.iter().zip(&self.rules)
    }

    /// What the store's own clock showed when they were read.
    pub fn store_time(&self) -> Option<Timestamp> {
        self.read_at
    }
}

/// A record belongs to an organisation whose rules the store has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rules of an organisation are missing from the store")]
pub struct RulesMissing;

/// What the app itself decides about its sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    pub(crate) browsers: Limits,
    pub(crate) tokens: Limits,
    /// How often the cookie is refreshed.
    pub(crate) refresh: Duration,
}

impl Base {
    pub(crate) fn limits(&self, kind: Kind) -> Limits {
        match kind {
            Kind::Browser | Kind::BrowserUntilClosed => self.browsers,
            Kind::Token => self.tokens,
        }
    }

    /// The longest that a session lasts that nobody uses; `None` is for ever.
    pub(crate) fn longest_silence(&self) -> Option<Duration> {
        Some(self.browsers.longest_silence()?.max(self.tokens.longest_silence()?))
    }
}

/// The conclusion.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The session is alive.
    Live(Schedule),
    /// It is over, and why. Whoever finds this first writes it down.
    Over(Ended),
    /// Its record should have been deleted by now, and counts as if it were.
    Gone,
}

/// What lies ahead of a living session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) ends: Ends,
    /// From when on activity is to be recorded.
    pub(crate) touch_at: Timestamp,
    /// How exactly the last activity is known.
    pub(crate) touch_every: Duration,
}

/// Draws the conclusion from the facts.
pub(crate) fn judge(facts: &Facts, base: &Base, now: Timestamp) -> Verdict {
    let record = facts.record();
    if record.purge_after <= now {
        return Verdict::Gone;
    }
    if let Some(ended) = &record.ended {
        return Verdict::Over(ended.clone());
    }
    let revoked =
        facts.memberships().find(|(member, rules)| member.generation != rules.generation());
    if let Some((membership, _)) = revoked {
        let org = Some(membership.org.clone());
        return Verdict::Over(Ended { at: now, reason: EndReason::Revoked, org });
    }

    let mut over = None::<Bound<'_>>;
    let mut absolute = None::<Bound<'_>>;
    let mut idle = None::<Bound<'_>>;
    let mut touch_every = base.refresh;
    each_bound(facts, base, |bound| {
        if bound.at <= now && over.is_none_or(|over| bound.order() < over.order()) {
            over = Some(bound);
        }
        let earliest = match bound.limit {
            Limit::Absolute => &mut absolute,
            Limit::Idle => {
                touch_every = touch_every.min(bound.length / 10);
                &mut idle
            }
        };
        if earliest.is_none_or(|earliest| bound.at < earliest.at) {
            *earliest = Some(bound);
        }
    });
    if let Some(over) = over {
        return Verdict::Over(over.ended(now));
    }
    let touch_every = touch_every.max(Duration::MILLISECOND);
    // A token is issued without its client; the first use shows what that is.
    let unused = record.kind == Kind::Token && record.seen == record.created;
    let at_once = unused || rules_changed_since_seen(facts);
    Verdict::Live(Schedule {
        ends: Ends { absolute: absolute.map(Bound::end), idle: idle.map(Bound::end) },
        touch_at: record.seen + if at_once { Duration::MILLISECOND } else { touch_every },
        touch_every,
    })
}

/// When the record may be deleted if its last activity is at `seen`: some time after the latest end
/// that the session can have. Idle limits of organisations do not count, since one may leave them.
pub(crate) fn purge_after(facts: &Facts, base: &Base, seen: Timestamp) -> Timestamp {
    let record = facts.record();
    let idle = shorter(base.limits(record.kind).idle_limit(), record.idle);
    let mut latest = idle.map_or(Timestamp::NEVER, |idle| seen + idle);
    each_bound(facts, base, |bound| {
        if bound.limit == Limit::Absolute {
            latest = latest.min(bound.at);
        }
    });
    latest + GRACE
}

/// [`purge_after`] of a session that is about to start: its limits are fixed, and the rules of its
/// organisations are not known before it is stored.
pub(crate) fn purge_after_start(record: &Record) -> Timestamp {
    let absolute = record.ends_by.as_ref().map_or(Timestamp::NEVER, |ends_by| ends_by.at);
    let idle = record.idle.map_or(Timestamp::NEVER, |idle| record.seen + idle);
    absolute.min(idle) + GRACE
}

/// The end that is fixed for a session that leaves all organisations but those in `stays`: what was
/// scheduled stays scheduled.
pub(crate) fn ends_by_after_leaving(
    facts: &Facts,
    base: &Base,
    stays: impl Fn(&Arc<str>) -> bool,
) -> Option<EndsBy> {
    let mut ends_by = facts.record().ends_by.clone();
    each_bound(facts, base, |bound| {
        let leaves = bound.org.is_some_and(|org| !stays(org));
        if leaves
            && bound.limit == Limit::Absolute
            && ends_by.as_ref().is_none_or(|ends_by| bound.at < ends_by.at)
        {
            ends_by = Some(EndsBy { at: bound.at, org: bound.org.cloned() });
        }
    });
    ends_by
}

/// One limit that binds a session.
#[derive(Clone, Copy)]
struct Bound<'a> {
    /// When it ends the session.
    at: Timestamp,
    limit: Limit,
    length: Duration,
    org: Option<&'a Arc<str>>,
    /// Since when it binds the session.
    since: Timestamp,
}

impl Bound<'_> {
    /// Of several that have passed, which ended the session: the one that was first both in force
    /// and passed. One that began after another had ended the session comes too late. Of two at the
    /// same time the absolute one.
    fn order(&self) -> (Timestamp, Timestamp, Limit) {
        (self.at.max(self.since), self.at, self.limit)
    }

    fn ended(self, now: Timestamp) -> Ended {
        Ended {
            at: self.at.max(self.since).min(now),
            reason: self.limit.into(),
            org: self.org.cloned(),
        }
    }

    fn end(self) -> End {
        End { at: self.at, limit: self.limit, org: self.org.cloned(), since: self.since }
    }
}

/// Shows every limit that binds the session to `visit`.
fn each_bound<'a>(facts: &'a Facts, base: &Base, mut visit: impl FnMut(Bound<'a>)) {
    let record = facts.record();
    let created = record.created;
    let limits = base.limits(record.kind);
    if let Some(EndsBy { at, org }) = &record.ends_by {
        let (limit, length) = (Limit::Absolute, at.since(created));
        visit(Bound { at: *at, limit, length, org: org.as_ref(), since: created });
    }
    if let Some(length) = limits.absolute_limit() {
        let (at, limit) = (created + length, Limit::Absolute);
        visit(Bound { at, limit, length, org: None, since: created });
    }
    if let Some(length) = shorter(limits.idle_limit(), record.idle) {
        let (at, limit) = (record.seen + length, Limit::Idle);
        visit(Bound { at, limit, length, org: None, since: created });
    }
    for (membership, rules) in facts.memberships() {
        let org = Some(&membership.org);
        for (version, until) in rules.versions_from(membership.version) {
            // Which version was in force at joining is a matter of numbers: clocks may disagree.
            let since = if version.number == membership.version {
                membership.joined
            } else {
                version.begins.max(membership.joined)
            };
            let Some(policy) = version.policy else {
                continue;
            };
            if let Some(length) = policy.absolute_limit() {
                let (at, limit) = (created + length, Limit::Absolute);
                visit(Bound { at, limit, length, org, since });
            }
            if let Some(length) = policy.idle_limit()
                && record.seen < until
            {
                // Before this limit began to bind, activity was recorded only once per refresh. So
                // whoever was at work may have been active until then, but no later than it began.
                let from = if since <= record.seen {
                    record.seen
                } else {
                    since.min(record.seen + base.refresh)
                };
                let (at, limit) = (from + length, Limit::Idle);
                visit(Bound { at, limit, length, org, since });
            }
        }
    }
}

/// Whether a policy or membership is newer than the last recorded activity. Then the next activity
/// is recorded at once, and the session is known exactly from there on.
fn rules_changed_since_seen(facts: &Facts) -> bool {
    let seen = facts.record().seen;
    facts.memberships().any(|(membership, rules)| {
        let changed = rules.since().filter(|_| membership.version < rules.version());
        seen < membership.joined || changed.is_some_and(|since| seen < since)
    })
}
