//! The verdict: whether a session is alive, when it will end, and why it has ended.
//!
//! Stores keep facts; only this module compares a time with a limit. So every store gives the same
//! answer, and a change of policy needs no write to any session.

use std::sync::Arc;

use time::Duration;

use crate::clock::{Timestamp, millis};
use crate::encoding::Unreadable;
use crate::limits::{GRACE, Limit, Limits, shorter};
use crate::policy::{OrgRules, Rules};
use crate::session::{
    Deadline, EndReason, Ended, FixedDeadline, Membership, Record, Schedule, SessionKind, Stamp,
};

#[cfg(test)]
mod tests;

/// The app's own settings for its sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppLimits {
    pub(crate) browsers: Limits,
    pub(crate) tokens: Limits,
    /// How often the cookie is refreshed.
    pub(crate) refresh: Duration,
}

impl AppLimits {
    pub(crate) fn of(&self, kind: SessionKind) -> Limits {
        match kind {
            SessionKind::Browser | SessionKind::BrowserUntilClosed => self.browsers,
            SessionKind::Token => self.tokens,
        }
    }

    /// The longest lifetime of an unused session; `Duration::MAX` is without end.
    pub(crate) fn longest_silence(&self) -> Duration {
        let silence = |limits: Limits| limits.longest_silence().unwrap_or(Duration::MAX);
        silence(self.browsers).max(silence(self.tokens))
    }
}

/// The verdict on a session.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The session is alive.
    Live(LiveState),
    /// The session is over, for this reason. The first caller that finds this writes it.
    Over(Ended),
    /// Its record should have been deleted by now, and counts as deleted.
    Gone,
}

/// The deadlines of a living session, and the time of its next touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveState {
    pub(crate) schedule: Schedule,
    /// The time from which activity is to be recorded.
    pub(crate) touch_at: Timestamp,
    /// The precision of the last recorded activity.
    pub(crate) touch_every: Duration,
    /// Whether the session's stamp is above the rules: rules were lost, or the rules it was judged
    /// by are older than the stamp.
    pub(crate) above_rules: bool,
}

/// Judges a session by its facts, the rules and the app's limits.
///
/// # Errors
///
/// Fails if rules that bind the session cannot be read. The state of the session is then unknown.
pub(crate) fn judge(
    record: &Record,
    rules: Rules<'_>,
    app: &AppLimits,
    now: Timestamp,
) -> Result<Verdict, Unreadable> {
    if record.purge_after() <= now {
        return Ok(Verdict::Gone);
    }
    if let Some(ended) = record.ended() {
        return Ok(Verdict::Over(ended.clone()));
    }
    let mut revoked = None;
    let mut above_rules = false;
    let mut at_once = is_unused_token(record);
    each_binding(record, rules, |binding| {
        let Binding { org, stamp, joined, rules } = binding;
        if stamp.generation < rules.generation() && revoked.is_none() {
            revoked = Some(org.cloned());
        }
        above_rules |= rules.is_below(stamp);
        let is_news = |version: crate::policy::PolicyVersion| {
            stamp.known < version.number && version.begins <= now
        };
        at_once |= record.last_seen() < joined || rules.in_force().is_some_and(is_news);
    })?;
    if let Some(org) = revoked {
        return Ok(Verdict::Over(Ended { at: now, reason: EndReason::Revoked, org }));
    }

    let mut over = None::<Bound<'_>>;
    let mut absolute = None::<Bound<'_>>;
    let mut idle = None::<Bound<'_>>;
    let mut touch_every = app.refresh;
    each_bound(record, rules, app, |bound| {
        if bound.at <= now && over.is_none_or(|over| bound.order() < over.order()) {
            over = Some(bound);
        }
        let earliest = match bound.limit {
            Limit::Absolute => &mut absolute,
            Limit::Idle => {
                touch_every = touch_every.min(Duration::milliseconds(millis(bound.length) / 10));
                &mut idle
            }
        };
        if earliest.is_none_or(|earliest| bound.at < earliest.at) {
            *earliest = Some(bound);
        }
    })?;
    if let Some(over) = over {
        return Ok(Verdict::Over(over.ended(now)));
    }
    let touch_every = touch_every.max(Duration::MILLISECOND);
    let touch_after = if at_once || above_rules { Duration::MILLISECOND } else { touch_every };
    Ok(Verdict::Live(LiveState {
        schedule: Schedule { absolute: absolute.map(Bound::end), idle: idle.map(Bound::end) },
        touch_at: record.last_seen() + touch_after,
        touch_every,
        above_rules,
    }))
}

/// A token is issued without its client; the first use records the client.
fn is_unused_token(record: &Record) -> bool {
    record.kind() == SessionKind::Token && record.last_seen() == record.created()
}

/// The time from which the record may be deleted if its last activity is at `seen`: some time after
/// the latest possible end. Idle limits of organizations do not count, since a session can leave an
/// organization.
pub(crate) fn purge_after(
    record: &Record,
    rules: Rules<'_>,
    app: &AppLimits,
    seen: Timestamp,
) -> Result<Timestamp, Unreadable> {
    let idle = shorter(app.of(record.kind()).idle_limit(), record.idle());
    let mut latest = idle.map_or(Timestamp::NEVER, |idle| seen + idle);
    each_bound(record, rules, app, |bound| {
        if bound.limit == Limit::Absolute {
            latest = latest.min(bound.at);
        }
    })?;
    Ok(latest + GRACE)
}

/// The fixed end of a session that leaves all organizations but those in `stays`: a scheduled end
/// stays.
pub(crate) fn deadline_after_leaving(
    record: &Record,
    rules: Rules<'_>,
    app: &AppLimits,
    stays: impl Fn(&Arc<str>) -> bool,
) -> Result<Option<FixedDeadline>, Unreadable> {
    let mut fixed_deadline = record.fixed_deadline().cloned();
    each_bound(record, rules, app, |bound| {
        let leaves = bound.org.is_some_and(|org| !stays(org));
        if leaves
            && bound.limit == Limit::Absolute
            && fixed_deadline.as_ref().is_none_or(|fixed_deadline| bound.at < fixed_deadline.at)
        {
            fixed_deadline = Some(FixedDeadline { at: bound.at, org: bound.org.cloned() });
        }
    })?;
    Ok(fixed_deadline)
}

/// A set of rules that binds a session: those for everyone, or of an organization.
struct Binding<'a> {
    org: Option<&'a Arc<str>>,
    stamp: Stamp,
    joined: Timestamp,
    rules: &'a OrgRules,
}

/// Calls `visit` with all rules that bind the session.
fn each_binding<'a>(
    record: &'a Record,
    rules: Rules<'a>,
    mut visit: impl FnMut(Binding<'a>),
) -> Result<(), Unreadable> {
    let (stamp, joined) = (record.everyone(), record.created());
    visit(Binding { org: None, stamp, joined, rules: rules.everyone()? });
    for Membership { org, stamp, joined } in record.memberships() {
        let (org, rules) = (Some(org), rules.of(org)?);
        visit(Binding { org, stamp: *stamp, joined: *joined, rules });
    }
    Ok(())
}

/// One limit that binds a session.
#[derive(Clone, Copy)]
struct Bound<'a> {
    /// The time at which it ends the session.
    at: Timestamp,
    limit: Limit,
    length: Duration,
    org: Option<&'a Arc<str>>,
    /// The time since which it binds the session.
    since: Timestamp,
}

impl Bound<'_> {
    /// Of several limits that have passed, the one that ended the session: the first to be both in
    /// force and passed. A limit that began after another had ended the session is too late. Of two
    /// at the same time, the absolute one.
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

    fn end(self) -> Deadline {
        Deadline { at: self.at, limit: self.limit, org: self.org.cloned(), since: self.since }
    }
}

/// Calls `visit` with every limit that binds the session.
fn each_bound<'a>(
    record: &'a Record,
    rules: Rules<'a>,
    app: &AppLimits,
    mut visit: impl FnMut(Bound<'a>),
) -> Result<(), Unreadable> {
    let (created, seen) = (record.created(), record.last_seen());
    let limits = app.of(record.kind());
    if let Some(FixedDeadline { at, org }) = record.fixed_deadline() {
        let (limit, length) = (Limit::Absolute, at.since(created));
        visit(Bound { at: *at, limit, length, org: org.as_ref(), since: created });
    }
    if let Some(length) = limits.absolute_limit() {
        let (at, limit) = (created + length, Limit::Absolute);
        visit(Bound { at, limit, length, org: None, since: created });
    }
    if let Some(length) = shorter(limits.idle_limit(), record.idle()) {
        let (at, limit) = (seen + length, Limit::Idle);
        visit(Bound { at, limit, length, org: None, since: created });
    }
    each_binding(record, rules, |Binding { org, stamp, joined, rules }| {
        for (version, replaced_by) in rules.binding(stamp) {
            let Some(policy) = version.policy else {
                continue;
            };
            // The numbers decide which version was in force at joining, since clocks may disagree.
            let at_joining = version.number <= stamp.version;
            let since = if at_joining { joined } else { version.begins.max(joined) };
            if let Some(length) = policy.absolute_limit() {
                let (at, limit) = (created + length, Limit::Absolute);
                visit(Bound { at, limit, length, org, since });
            }
            // The numbers also decide which versions were replaced by the time of the last
            // activity, and no longer bind.
            if let Some(length) = policy.idle_limit()
                && stamp.known < replaced_by
            {
                // Before this limit began to bind, activity was recorded only once per refresh. A
                // user may therefore have been active until then, but no later than its beginning.
                let from = if version.number <= stamp.known {
                    seen
                } else {
                    seen.max(since.min(seen + app.refresh))
                };
                let (at, limit) = (from + length, Limit::Idle);
                visit(Bound { at, limit, length, org, since });
            }
        }
    })
}
