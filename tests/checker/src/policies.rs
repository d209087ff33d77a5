//! Which policies may be in force at a time, and which certainly are.

use crate::history::Line;
use crate::{Call, Limits};

/// A policy that was set, or that there is none any more.
pub(crate) struct Policy {
    pub(crate) line: usize,
    pub(crate) limits: Limits,
    pub(crate) began: i64,
    /// When it was acknowledged: never, if it was not.
    pub(crate) done: i64,
    /// Before this, no other one can have replaced it.
    replaced_from: i64,
    /// By this, another one certainly has.
    replaced_by: i64,
}

impl Policy {
    pub(crate) fn of(line: Line<'_>) -> Option<Self> {
        let limits = match line.entry.call {
            Call::SetPolicy { absolute, idle, .. } => Limits { absolute, idle },
            Call::ClearPolicy { .. } => Limits::default(),
            _ => return None,
        };
        Some(Self {
            line: line.number,
            limits,
            began: line.began(),
            done: line.answered(),
            replaced_from: i64::MAX,
            replaced_by: i64::MAX,
        })
    }

    /// Whether it may have been in force at `since` or later.
    pub(crate) fn may_bind(&self, since: i64) -> bool {
        since <= self.replaced_by
    }

    /// Whether it was certainly in force at some time after `since`, once it is done.
    pub(crate) fn surely_binds(&self, since: i64) -> bool {
        since < self.began || since < self.replaced_from
    }
}

/// Finds out which policies of an organization may have replaced which.
pub(crate) fn in_order(policies: &mut [Policy]) {
    for at in 0..policies.len() {
        let Policy { line, began, done, .. } = policies[at];
        let others = || policies.iter().filter(|other| other.line != line);
        // Its own place in the order is unknown if it is not done; then it may come after all others.
        let after = others().filter(|other| done < other.began);
        let replaced_by = after.map(|other| other.done).min();
        // One that is not done may take effect at any later time.
        let not_before = others().filter(|other| began <= other.done);
        let replaced_from = not_before.map(|other| other.began).min();
        policies[at].replaced_by = replaced_by.unwrap_or(i64::MAX);
        policies[at].replaced_from = replaced_from.unwrap_or(i64::MAX);
    }
}
