//! All rules, one after the other.

use crate::cap::over_the_cap;
use crate::early::{acknowledged_is_lost, cut_early};
use crate::ends::ended_lives;
use crate::history::History;
use crate::limits::outlives_a_limit;
use crate::lists::list_is_not_the_living;
use crate::report::{Counts, Report};
use crate::{Call, Log, Outcome};

/// Judges a log.
#[must_use]
pub fn check(log: &Log) -> Report {
    let history = History::of(log);
    let mut violations = Vec::new();
    for session in history.sessions.values() {
        violations.extend(ended_lives(&history, session));
        violations.extend(acknowledged_is_lost(&history, session));
        violations.extend(cut_early(&history, session));
        violations.extend(outlives_a_limit(&history, session));
    }
    for (name, user) in &history.users {
        violations.extend(over_the_cap(&history, user));
        violations.extend(list_is_not_the_living(&history, name, user));
    }
    violations.sort_by_key(|violation| (violation.lines.iter().max().copied(), violation.kind));
    Report { counts: counts(log), violations }
}

fn counts(log: &Log) -> Counts {
    let mut counts = Counts::default();
    for entry in log.entries() {
        *counts.calls.entry(entry.call.name()).or_default() += 1;
        match (&entry.call, &entry.outcome) {
            (_, Outcome::Started { .. }) => counts.sign_ins += 1,
            (Call::SetPolicy { .. } | Call::ClearPolicy { .. }, _) => {}
            (_, Outcome::Done) => counts.ends += 1,
            _ => {}
        }
        if entry.outcome.is_unsure() {
            counts.unsure += 1;
        } else if let Some(ended) = entry.ended {
            counts.longest_answer = counts.longest_answer.max(ended - entry.began);
        }
    }
    counts
}
