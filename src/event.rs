//! Events of sessions, for an audit log.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::policy::OrgPolicy;
use crate::session::{ClientDetails, Ended, Selector, SessionId, SessionKind};

/// An event of a session or of an organization's policy.
///
/// It says who did what to whom, when, and why. It contains no secret.
///
/// [`Builder::on_event`](crate::Builder::on_event) passes each event to the app. Each is also a
/// `tracing` event with the target `tower_curfew::audit`, the name in [`EventKind`], and fields of
/// the same names; client and address are left out there.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The time of the event, by the clock of the node that reports it.
    pub at: Timestamp,
    /// The actor; `None` for an event without one, such as a limit that is reached.
    ///
    /// It is the user of the acting session, as the app names its users, or the name given to
    /// [`Curfew::operator`](crate::Curfew::operator).
    pub actor: Option<Arc<str>>,
    /// The kind of the event, with its details.
    pub kind: EventKind,
}

/// The kind of an event. The names stay the same in all versions, which may add others.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// `session.started`: a user signed in, or a token was issued.
    Started {
        /// The user of the session.
        user: Arc<str>,
        /// The public id of the new session.
        session: SessionId,
        /// The kind of client that holds it.
        kind: SessionKind,
        /// The client that signed in.
        client: ClientDetails,
        /// The sessions that it replaces: the previous session of the same browser, and those
        /// beyond the cap. All of them have now ended, as `revoked` if they had not ended before.
        replaced: Vec<SessionId>,
    },
    /// `session.start_refused`: the user has reached the cap on active sessions.
    StartRefused {
        /// The user who tried to sign in.
        user: Arc<str>,
    },
    /// `session.renewed`: the secret was replaced.
    Renewed {
        /// The user of the session.
        user: Arc<str>,
        /// The public id of the session.
        session: SessionId,
        /// Whether the user had just reauthenticated.
        reauthenticated: bool,
    },
    /// `session.ended`: its owner signed out, or it was found to be over.
    Ended {
        /// The user of the session.
        user: Arc<str>,
        /// The public id of the session.
        session: SessionId,
        /// The time and the reason of the end.
        ended: Ended,
    },
    /// `session.revoked`: an actor ended sessions.
    Revoked {
        /// The sessions that were selected.
        which: Selector,
        /// The number of sessions that were ended.
        sessions: u64,
    },
    /// `request.refused`: the credentials of a request do not sign in.
    Refused {
        /// The reason of the refusal.
        why: RefusalReason,
        /// The session that was named, if it is known.
        session: Option<SessionId>,
        /// The user of that session, if it is known.
        user: Option<Arc<str>>,
    },
    /// `policy.changed`: the policy of an organization, or for everyone, was set or removed.
    PolicyChanged {
        /// The organization; `None` for everyone.
        org: Option<Arc<str>>,
        /// The new policy; `None` if it was removed.
        policy: Option<OrgPolicy>,
    },
    /// `organization.revoked`: all sessions of an organization were ended.
    OrgRevoked {
        /// The organization that was revoked.
        org: Arc<str>,
    },
    /// `everyone.revoked`: the sessions of all users were ended.
    EveryoneRevoked,
}

impl EventKind {
    /// Returns the name of the event, which stays the same in all versions.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "session.started",
            Self::StartRefused { .. } => "session.start_refused",
            Self::Renewed { .. } => "session.renewed",
            Self::Ended { .. } => "session.ended",
            Self::Revoked { .. } => "session.revoked",
            Self::Refused { .. } => "request.refused",
            Self::PolicyChanged { .. } => "policy.changed",
            Self::OrgRevoked { .. } => "organization.revoked",
            Self::EveryoneRevoked => "everyone.revoked",
        }
    }
}

/// Shows neither user nor client, so that it is safe to log.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("at", &self.at)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Shows the name alone, neither user nor client.
impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The reason why the credentials of a request do not sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// `unverified`: the token is malformed or forged, or its key is no longer accepted.
    Unverified,
    /// `conflicting`: the request has two different tokens.
    Conflicting,
    /// `unknown`: the session does not exist, or no longer exists.
    Unknown,
    /// `superseded`: the secret was replaced since.
    Superseded,
    /// `absolute`, `idle` or `revoked`: the session has ended.
    Ended(Ended),
    /// `unavailable`: unknown, since the store does not answer.
    Unavailable,
}

impl RefusalReason {
    /// Returns a name that stays the same in all versions.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Conflicting => "conflicting",
            Self::Unknown => "unknown",
            Self::Superseded => "superseded",
            Self::Ended(ended) => ended.reason.as_str(),
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The app's function that receives events.
pub(crate) type EventHook = Box<dyn Fn(&Event) + Send + Sync>;

const TARGET: &str = "tower_curfew::audit";

/// A `tracing` event, with the common fields.
macro_rules! trace {
    ($event:ident, $level:ident, $name:literal, { $($fields:tt)* }) => {
        tracing::event!(
            name: $name,
            target: TARGET,
            tracing::Level::$level,
            actor = $event.actor.as_deref(),
            $($fields)*
            $name
        )
    };
}

impl Event {
    /// Writes the event to the log.
    pub(crate) fn trace(&self) {
        match &self.kind {
            EventKind::Started { user, session, kind, client: _, replaced } => {
                let kind = kind.as_str();
                trace!(self, INFO, "session.started", { user = &**user, %session, kind, ?replaced, });
            }
            EventKind::StartRefused { user } => {
                trace!(self, INFO, "session.start_refused", { user = &**user, });
            }
            EventKind::Renewed { user, session, reauthenticated } => {
                trace!(self, INFO, "session.renewed", { user = &**user, %session, reauthenticated, });
            }
            EventKind::Ended { user, session, ended } => {
                let (reason, organization) = (ended.reason.as_str(), ended.org.as_deref());
                trace!(self, INFO, "session.ended", {
                    user = &**user, %session, reason, organization,
                });
            }
            EventKind::Revoked { which, sessions } => {
                let user = which.by_user();
                let (link_kind, link) = which.by_link().unzip();
                let session = which.by_session().map(tracing::field::display);
                let except = which.left_out().map(tracing::field::display);
                trace!(self, INFO, "session.revoked", {
                    user, link_kind, link, session, except, sessions,
                });
            }
            // At debug level: there can be as many as requests, and an attacker can cause them.
            EventKind::Refused { why, session, user } => {
                let reason = why.as_str();
                let session = session.map(tracing::field::display);
                trace!(self, DEBUG, "request.refused", { user = user.as_deref(), session, reason, });
            }
            EventKind::PolicyChanged { org, policy } => {
                let (absolute, idle) = policy
                    .map_or((None, None), |policy| (policy.absolute_limit(), policy.idle_limit()));
                let absolute_seconds = absolute.map(time::Duration::whole_seconds);
                let idle_seconds = idle.map(time::Duration::whole_seconds);
                trace!(self, INFO, "policy.changed", {
                    organization = org.as_deref(), absolute_seconds, idle_seconds,
                });
            }
            EventKind::OrgRevoked { org } => {
                trace!(self, INFO, "organization.revoked", { organization = &**org, });
            }
            EventKind::EveryoneRevoked => trace!(self, INFO, "everyone.revoked", {}),
        }
    }
}
