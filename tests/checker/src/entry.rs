//! The lines of a log.

use serde::{Deserialize, Serialize};

/// What holds for all of a log. Its first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The limits of the app, which bind each session.
    pub limits: Limits,
    /// How many sessions a user may have, if that is bounded.
    pub cap: Option<Cap>,
    /// By how much the recorded activity may lag behind a request that was answered `alive`, so that an
    /// idle end may come earlier by as much. `None` if such an answer does not prove that anything was
    /// recorded, as where a store may fail between check and write.
    pub touch_every: Option<i64>,
    /// By how much two clocks of the service may be apart. That they count milliseconds is allowed for.
    pub clock_tolerance: i64,
    /// How long after its end a session may be forgotten. `None` if never within the time of the log.
    #[serde(default)]
    pub kept_for: Option<i64>,
}

/// How long a session may last. `None` means without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Counted from the sign-in.
    pub absolute: Option<i64>,
    /// Counted from the last activity.
    pub idle: Option<i64>,
}

/// How many sessions a user may have at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// The most sessions of one user.
    pub sessions: usize,
    /// What happens to one more.
    pub at_cap: AtCap,
}

/// What happens at a sign-in that would be one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtCap {
    /// The sessions with the oldest sign-ins end.
    EndOldest,
    /// The sign-in is refused.
    Refuse,
}

/// A call and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What was asked for.
    pub call: Call,
    /// The session in whose name it was asked for, if any. A call like that may count as its activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Which node was asked. For people who read the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// When the call was made.
    pub began: i64,
    /// When its answer was there, or waiting for it was given up. `None` only if there was none.
    pub ended: Option<i64>,
    /// What the answer was.
    pub outcome: Outcome,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// Starts a session.
    SignIn {
        /// Whose it is to be.
        user: String,
        /// Whose policies bind it.
        orgs: Vec<String>,
        /// Limits of its own, if it has any. Each binds where it is shorter than that of the app.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<Limits>,
        /// The session that the same browser had. A sign-in that succeeds ends it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<String>,
    },
    /// Anything that needs a living session.
    Request {
        /// Whose credential came along.
        session: String,
    },
    /// Ends the caller's own session.
    SignOut {
        /// Which one ends.
        session: String,
    },
    /// Ends a session that may be another than the caller's.
    RevokeSession {
        /// Which one ends.
        session: String,
    },
    /// Ends all sessions of a user, or all others.
    RevokeUser {
        /// Whose sessions end.
        user: String,
        /// The one that stays.
        except: Option<String>,
    },
    /// Ends all sessions of an organization.
    RevokeOrg {
        /// Whose sessions end.
        org: String,
    },
    /// Ends all sessions that there are.
    RevokeEveryone,
    /// Sets the policy of an organization, in the place of the one before.
    SetPolicy {
        /// Whose sessions it binds; `None` for everybody's.
        org: Option<String>,
        /// As in [`Limits::absolute`].
        absolute: Option<i64>,
        /// As in [`Limits::idle`].
        idle: Option<i64>,
    },
    /// Leaves an organization without a policy. Living sessions keep their scheduled end.
    ClearPolicy {
        /// Whose policy it was; `None` for everybody's.
        org: Option<String>,
    },
    /// Lists the living sessions of a user, as they are at one moment.
    List {
        /// Whose sessions are listed.
        user: String,
    },
}

/// What the answer was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The answer to a sign-in that succeeded.
    Started {
        /// A public name for the session, which no other one has.
        session: String,
    },
    /// The answer to a request with a living session.
    Alive,
    /// The answer to a request with a session that is over.
    Ended {
        /// Why it is over, if the answer told.
        reason: Option<Reason>,
    },
    /// The answer to a request with a session that the store does not know.
    Nobody,
    /// The answer to a list.
    Listed {
        /// The sessions that live.
        sessions: Vec<String>,
    },
    /// Whatever else was asked for has been done.
    Done,
    /// It was refused, and nothing has changed.
    Refused,
    /// The service could not tell (503). A request was not let in and is no activity; any other call
    /// may have taken effect, or may still. A 503 that something else gave is `unknown`.
    Unavailable,
    /// There was no answer. The call may have taken effect, or may still.
    Unknown,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The time since its sign-in.
    Absolute,
    /// The time without activity.
    Idle,
    /// A call has ended it, or a sign-in that was one too many or took its place.
    Revoked,
}

impl Limits {
    /// Of each the shorter.
    pub(crate) fn tighter(self, other: Self) -> Self {
        let shorter = |one: Option<i64>, other| one.into_iter().chain(other).min();
        Self {
            absolute: shorter(self.absolute, other.absolute),
            idle: shorter(self.idle, other.idle),
        }
    }
}

impl Call {
    /// The word that the log has for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::SignIn { .. } => "sign_in",
            Self::Request { .. } => "request",
            Self::SignOut { .. } => "sign_out",
            Self::RevokeSession { .. } => "revoke_session",
            Self::RevokeUser { .. } => "revoke_user",
            Self::RevokeOrg { .. } => "revoke_org",
            Self::RevokeEveryone => "revoke_everyone",
            Self::SetPolicy { .. } => "set_policy",
            Self::ClearPolicy { .. } => "clear_policy",
            Self::List { .. } => "list",
        }
    }

    /// Whether such a call can be answered like this.
    pub(crate) fn allows(&self, outcome: &Outcome) -> bool {
        use Outcome::{Alive, Done, Ended, Listed, Nobody, Refused, Started, Unavailable, Unknown};
        match outcome {
            Unavailable | Unknown => true,
            Refused => !matches!(self, Self::Request { .. }),
            Started { .. } => matches!(self, Self::SignIn { .. }),
            Alive | Ended { .. } | Nobody => matches!(self, Self::Request { .. }),
            Listed { .. } => matches!(self, Self::List { .. }),
            Done => !matches!(self, Self::SignIn { .. } | Self::Request { .. } | Self::List { .. }),
        }
    }
}

impl Outcome {
    /// Whether the call may have taken effect, or may still, and nobody knows.
    pub(crate) fn is_unsure(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Unknown)
    }
}
