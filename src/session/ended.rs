//! That a session has ended, and why.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::limits::{COOKIE_LIFE, Limit};

/// That a session has ended, and why. Exhaustive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When it was over.
    pub at: Timestamp,
    /// Why it was over: a limit, or somebody.
    pub reason: EndReason,
    /// The organization whose policy or revocation ended it, if one did.
    pub org: Option<Arc<str>>,
}

impl Ended {
    /// From when on the record may be deleted, unless it may be even earlier: 400 days after the
    /// end, when no browser has its cookie any more.
    pub fn purge_after(&self) -> Timestamp {
        self.at + COOKIE_LIFE
    }

    /// Ended by somebody, at `at`: signed out, revoked, or replaced by a newer sign-in.
    pub const fn revoked(at: Timestamp) -> Self {
        Self { at, reason: EndReason::Revoked, org: None }
    }
}

/// Why a session ended. Exhaustive: a limit was reached, or somebody ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The absolute limit: too long since the sign-in.
    Absolute,
    /// The idle limit: too long without activity.
    Idle,
    /// Somebody ended it: its owner, an admin, or a newer sign-in that took its place.
    Revoked,
}

impl EndReason {
    /// A stable name: `absolute`, `idle` or `revoked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
        }
    }

    /// The reason with this [name](Self::as_str), as a login page finds it in its query; `None` for
    /// any other text.
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
