//! The facts that a store keeps of a session. Conclusions are drawn elsewhere.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use time::Duration;

use super::{SecretHash, SessionId};
use crate::limits::{COOKIE_LIFE, Limit};
use crate::time::Timestamp;

/// No label of a session (name, user agent, device, location, user, organisation) is longer, in bytes.
pub const MAX_LABEL: usize = 512;

/// Everything that is known of one session: facts, never conclusions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The public name, and the key.
    pub id: SessionId,
    /// What must match the secret of whoever presents this session.
    pub secret_hash: SecretHash,
    /// Whose session this is, as the app names its users.
    pub user: Arc<str>,
    /// What kind of client holds it.
    pub kind: Kind,
    /// What its owner calls it, if it has a name.
    pub name: Option<Arc<str>>,
    /// The organisations whose policies bind it, sorted by name, each once.
    pub memberships: Vec<Membership>,
    /// When the person signed in. Absolute limits count from here.
    pub created: Timestamp,
    /// When the person last proved who they are; not earlier than `created`.
    pub authenticated: Timestamp,
    /// The last recorded activity. Idle limits count from here.
    pub seen: Timestamp,
    /// The latest end that was fixed so far: at sign-in, or by an organisation it has left.
    pub ends_by: Option<EndsBy>,
    /// The idle limit that was fixed at sign-in.
    pub idle: Option<Duration>,
    /// What is known of the client.
    pub client: Client,
    /// That it has ended, and why. Written once, never taken back.
    pub ended: Option<Ended>,
    /// From this time on the record is as good as deleted, and may be.
    pub purge_after: Timestamp,
}

/// What kind of client holds a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A browser, with a cookie that survives its restart.
    Browser,
    /// A browser, with a cookie that goes when it is closed.
    BrowserUntilClosed,
    /// A command-line, mobile or desktop client, with a bearer token.
    Token,
}

impl Kind {
    /// A stable name, for stores: `browser`, `browser-until-closed` or `token`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::BrowserUntilClosed => "browser-until-closed",
            Self::Token => "token",
        }
    }
}

impl FromStr for Kind {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [Self::Browser, Self::BrowserUntilClosed, Self::Token]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or(UnknownName)
    }
}

/// That a session belongs to an organisation, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The organisation, as the app names it.
    pub org: Arc<str>,
    /// The organisation's generation when the session joined. It counts revocations.
    pub generation: i64,
    /// The number of the policy version in force when the session joined; 0 is none.
    pub version: u32,
    /// When the session joined.
    pub joined: Timestamp,
}

/// An end that is already fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndsBy {
    /// When.
    pub at: Timestamp,
    /// The organisation whose policy fixed it; `None` if the app's own limits did.
    pub org: Option<Arc<str>>,
}

/// What is known of the client behind a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The `User-Agent` header as it came, at most [`MAX_LABEL`] bytes of it.
    pub agent: Option<Arc<str>>,
    /// Device and browser in words, as in `Chrome on macOS`.
    pub device: Option<Arc<str>>,
    /// The network address, as much of it as the app keeps.
    pub address: Option<IpAddr>,
    /// The approximate location, as in `Berlin, Germany`.
    pub location: Option<Arc<str>>,
}

/// That a session has ended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When it was over.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
    /// The organisation whose policy or revocation ended it, if one did.
    pub org: Option<Arc<str>>,
}

impl Record {
    /// Writes down that it has ended, as a store does that keeps whole records. The caller has seen
    /// to it that it had not.
    pub fn end(&mut self, ended: Ended) {
        self.purge_after = self.purge_after.min(ended.purge_after());
        self.ended = Some(ended);
    }
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

/// Why a session ended.
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
    /// A stable name, for stores and answers: `absolute`, `idle` or `revoked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EndReason {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [Self::Absolute, Self::Idle, Self::Revoked]
            .into_iter()
            .find(|reason| reason.as_str() == name)
            .ok_or(UnknownName)
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

/// Not one of the stable names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a known name")]
pub struct UnknownName;

/// When a living session will end without further activity, by each kind of limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Fixed: no activity moves it. `None` if no absolute limit binds the session.
    pub absolute: Option<End>,
    /// Moves with activity. `None` if no idle limit binds the session.
    pub idle: Option<End>,
}

impl Ends {
    /// When the first of them comes; [`Timestamp::NEVER`] if no limit binds the session.
    pub fn at(&self) -> Timestamp {
        self.first().map_or(Timestamp::NEVER, |end| end.at)
    }

    /// The end that comes first; `None` if no limit binds the session.
    pub fn first(&self) -> Option<&End> {
        match (&self.absolute, &self.idle) {
            (Some(absolute), Some(idle)) if idle.at < absolute.at => Some(idle),
            (Some(absolute), _) => Some(absolute),
            (None, idle) => idle.as_ref(),
        }
    }
}

/// One end that lies ahead, and what fixes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// Which limit.
    pub limit: Limit,
    /// The organisation whose policy it is; `None` for the app's own limits.
    pub org: Option<Arc<str>>,
    /// Since when this limit binds the session.
    pub since: Timestamp,
}
