//! The end of a session, and its reason.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::limits::{COOKIE_LIFE, Limit};

/// The end of a session, and its reason. Exhaustive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The time at which the session was over.
    pub at: Timestamp,
    /// The reason of the end: a limit, or a revocation.
    pub reason: EndReason,
    /// The organization whose policy or revocation ended it; `None` if no organization did.
    pub org: Option<Arc<str>>,
}

impl Ended {
    /// When the record may be deleted, unless an earlier time is already set.
    ///
    /// It is 400 days after the end, when no browser has the cookie any more.
    pub fn purge_after(&self) -> Timestamp {
        self.at + COOKIE_LIFE
    }

    /// An end at `at` by sign-out, revocation, or a newer sign-in.
    pub const fn revoked(at: Timestamp) -> Self {
        Self { at, reason: EndReason::Revoked, org: None }
    }
}

/// The reason why a session ended. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The absolute limit: too long since the sign-in.
    Absolute,
    /// The idle limit: too long without activity.
    Idle,
    /// The session was ended by its owner, by an admin, or by a newer sign-in that replaced it.
    Revoked,
}

impl EndReason {
    /// Returns a name that stays the same in all versions: `absolute`, `idle` or `revoked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
        }
    }

    /// Returns the reason with this [name](Self::as_str); `None` for any other text.
    ///
    /// A login page can use it to read the reason in its query.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Absolute, Self::Idle, Self::Revoked];
        all.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Limit> for EndReason {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Absolute => Self::Absolute,
            Limit::Idle => Self::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_found_by_their_names() {
        for reason in [EndReason::Absolute, EndReason::Idle, EndReason::Revoked] {
            assert_eq!(EndReason::named(reason.as_str()), Some(reason));
        }
        for other in ["", "Idle", "idle ", "expired"] {
            assert_eq!(EndReason::named(other), None, "{other:?}");
        }
    }
}
