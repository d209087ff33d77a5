//! When a session will end, as far as that is fixed.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::limits::Limit;

/// An end that is already fixed. Exhaustive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedDeadline {
    /// When the session ends at the latest.
    pub at: Timestamp,
    /// The organization whose policy fixed it; `None` if the app's own limits did.
    pub org: Option<Arc<str>>,
}

/// When a living session will end without further activity, by each kind of limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// Fixed: no activity moves it. `None` if no absolute limit binds the session.
    pub absolute: Option<Deadline>,
    /// Moves with activity. `None` if no idle limit binds the session.
    pub idle: Option<Deadline>,
}

impl Schedule {
    /// When the first of them comes; [`Timestamp::NEVER`] if no limit binds the session.
    pub fn at(&self) -> Timestamp {
        self.first().map_or(Timestamp::NEVER, |end| end.at)
    }

    /// The end that comes first; `None` if no limit binds the session.
    pub fn first(&self) -> Option<&Deadline> {
        match (&self.absolute, &self.idle) {
            (Some(absolute), Some(idle)) if idle.at < absolute.at => Some(idle),
            (Some(absolute), _) => Some(absolute),
            (None, idle) => idle.as_ref(),
        }
    }
}

/// One end that lies ahead, and what fixes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// When the session ends without further activity.
    pub at: Timestamp,
    /// Which of the two limits it is.
    pub limit: Limit,
    /// The organization whose policy it is; `None` for the app's own limits and for everyone's policy.
    pub org: Option<Arc<str>>,
    /// Since when this limit binds the session.
    pub since: Timestamp,
}
