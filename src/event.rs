//! What happened to sessions, for an audit log.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::policy::OrgPolicy;
use crate::session::{ClientDetails, Ended, Selector, SessionId, SessionKind};

/// Something that happened to a session or to an organization's policy: who did what to whom, when,
/// and why. It holds no secret.
///
/// [`Builder::on_event`](crate::Builder::on_event) hands each to the app. Each is an event of
/// `tracing` too, with the target `tower_curfew::audit`, the name that [`EventKind`] says, and the fields
/// of the same names; client and address are left out there.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When it happened, by the clock of the node that tells it.
    pub at: Timestamp,
    /// Who did it: the user in whose session it was done, as the app names them, or the name given to
    /// [`Curfew::operator`](crate::Curfew::operator). `None` where nobody did it, as when a limit is
    /// reached.
    pub actor: Option<Arc<str>>,
    /// What happened, to whom and why.
    pub kind: EventKind,
}

/// What happened. The names stay the same in all versions, which may add others.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// `session.started`: somebody signed in, or a token was issued.
    Started {
        /// Whose session it is.
        user: Arc<str>,
        /// The public name of the new session.
        session: SessionId,
        /// What kind of client holds it.
        kind: SessionKind,
        /// The client that signed in.
        client: ClientDetails,
        /// The sessions that it takes the place of: the one that the same browser had, and those beyond
        /// the cap. Whichever had not ended by then has now, as `revoked`.
        replaced: Vec<SessionId>,
    },
    /// `session.start_refused`: the user has as many active sessions as one may have.
    StartRefused {
        /// Who wanted to sign in.
        user: Arc<str>,
    },
    /// `session.renewed`: the secret was replaced.
    Renewed {
        /// Whose session it is.
        user: Arc<str>,
        /// The public name of the session.
        session: SessionId,
        /// Whether the person had just proved again who they are.
        reauthenticated: bool,
    },
    /// `session.ended`: its owner signed out, or it was found to be over.
    Ended {
        /// Whose session it was.
        user: Arc<str>,
        /// The public name of the session.
        session: SessionId,
        /// When and why it ended.
        ended: Ended,
    },
    /// `session.revoked`: somebody ended sessions.
    Revoked {
        /// Which sessions were meant.
        which: Selector,
        /// How many they were.
        sessions: u64,
    },
    /// `request.refused`: what a request presented as its session does not sign in.
    Refused {
        /// Why it does not sign in.
        why: RefusalReason,
        /// The session that it would be.
        session: Option<SessionId>,
        /// Whose session it would be.
        user: Option<Arc<str>>,
    },
    /// `policy.changed`: an organization, or everyone, has another policy, or none.
    PolicyChanged {
        /// The organization; `None` for everyone.
        org: Option<Arc<str>>,
        /// The policy from now on.
        policy: Option<OrgPolicy>,
    },
    /// `organization.revoked`: all sessions of an organization ended.
    OrgRevoked {
        /// The organization that was revoked.
        org: Arc<str>,
    },
    /// `everyone.revoked`: all sessions ended.
    EveryoneRevoked,
}

impl EventKind {
    /// The name of the event, which stays the same in all versions.
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

/// Shows no user and no client, so that it may stand in a log.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("at", &self.at)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Shows the name alone: neither user nor client.
impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why what a request presents as its session does not sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// `unverified`: it is none of ours, or was changed, or its key is no longer accepted.
    Unverified,
    /// `conflicting`: there are two that differ.
    Conflicting,
    /// `unknown`: there is no such session, or no more.
    Unknown,
    /// `superseded`: the secret was replaced since.
    Superseded,
    /// `absolute`, `idle` or `revoked`: the session has ended.
    Ended(Ended),
    /// `unavailable`: nobody knows, since the store does not answer.
    Unavailable,
}

impl RefusalReason {
    /// A name that stays the same in all versions.
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

/// What the app does with events.
pub(crate) type EventHook = Box<dyn Fn(&Event) + Send + Sync>;

const TARGET: &str = "tower_curfew::audit";

/// An event of `tracing`, with what all of them have.
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
    /// Tells the log of it.
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
            // As many as there are requests, and anybody can cause them.
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
