//! The scheduled end of a session.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::limits::Limit;

/// An end that is already fixed. Exhaustive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedDeadline {
    /// The latest time at which the session ends.
    pub at: Timestamp,
    /// The organization whose policy fixed it; `None` if the app's limits did.
    pub org: Option<Arc<str>>,
}

/// When a living session ends without further activity, for each kind of limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// The absolute deadline, which activity does not move. `None` if no absolute limit binds the
    /// session.
    pub absolute: Option<Deadline>,
    /// The idle deadline, which moves with activity. `None` if no idle limit binds the session.
    pub idle: Option<Deadline>,
}

impl Schedule {
    /// Returns the earlier of the two times; [`Timestamp::NEVER`] if no limit binds the session.
    pub fn at(&self) -> Timestamp {
        self.first().map_or(Timestamp::NEVER, |end| end.at)
    }

    /// Returns the earlier of the two deadlines; `None` if no limit binds the session.
    pub fn first(&self) -> Option<&Deadline> {
        match (&self.absolute, &self.idle) {
            (Some(absolute), Some(idle)) if idle.at < absolute.at => Some(idle),
            (Some(absolute), _) => Some(absolute),
            (None, idle) => idle.as_ref(),
        }
    }
}

/// A future end of a session, and the limit that fixes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// The time at which the session ends without further activity.
    pub at: Timestamp,
    /// The kind of limit: absolute or idle.
    pub limit: Limit,
    /// The organization whose policy it is; `None` for the app's limits and the policy for
    /// everyone.
    pub org: Option<Arc<str>>,
    /// The time since when this limit binds the session.
    pub since: Timestamp,
}
