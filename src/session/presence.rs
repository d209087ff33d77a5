//! The session as a request sees it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use time::Duration;

use super::client::{ClientDetails, SessionKind};
use super::ended::Ended;
use super::record::Record;
use super::schedule::{Deadline, Schedule};
use super::{SecretHash, SessionId};
use crate::clock::Timestamp;

/// The session of a request: alive, ended, or absent. Exhaustive.
#[derive(Clone, Debug)]
pub enum Presence {
    /// The user is signed in.
    Live(Session),
    /// The user was signed in with this browser; the value says why the session ended.
    Ended(Ended),
    /// The request has no known session.
    ///
    /// It has no session cookie, or one that does not verify or has an older secret, or the record
    /// of its session was deleted.
    Anonymous,
}

impl Presence {
    /// Returns the living session; `None` if it has ended or is absent.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Live(session) => Some(session),
            Self::Ended(_) | Self::Anonymous => None,
        }
    }

    /// The label in the metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Live(_) => "live",
            Self::Ended(_) => "ended",
            Self::Anonymous => "anonymous",
        }
    }
}

/// Proof that a request came with a living session. It dereferences to [`ActiveSession`].
///
/// With axum it is an extractor: a handler that takes it runs only for signed-in users.
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```text")]
/// use tower_curfew::Session;
///
/// async fn home(session: Session) -> String {
///     let until = session.ends_at().map_or("you sign out".to_owned(), |at| at.to_string());
///     format!("Hello {}, you are signed in until {until}.", session.user())
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(home));
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    active: ActiveSession,
    checked: Timestamp,
}

impl Session {
    pub(crate) fn new(record: Arc<Record>, schedule: Schedule, checked: Timestamp) -> Self {
        Self { active: ActiveSession::new(record, schedule), checked }
    }

    /// Whether the user authenticated within the last `window` before this request.
    ///
    /// The user may have done so at sign-in or since (OWASP ASVS 7.5.2).
    pub fn authenticated_within(&self, window: Duration) -> bool {
        self.checked.since(self.active.record.authenticated()) <= window
    }

    #[cfg(feature = "axum")]
    pub(crate) fn checked_at(&self) -> Timestamp {
        self.checked
    }

    pub(crate) fn secret_hash(&self) -> SecretHash {
        self.active.record.secret_hash()
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.active.record
    }

    pub(crate) fn schedule(&self) -> &Schedule {
        &self.active.schedule
    }
}

impl Deref for Session {
    type Target = ActiveSession;

    fn deref(&self) -> &ActiveSession {
        &self.active
    }
}

/// A living session, as its owner sees it in a list.
#[derive(Clone)]
pub struct ActiveSession {
    record: Arc<Record>,
    schedule: Schedule,
}

/// Shows neither user nor address, so that it is safe to log.
impl fmt::Debug for ActiveSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveSession")
            .field("id", &self.record.id())
            .field("kind", &self.record.kind())
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

impl ActiveSession {
    pub(crate) fn new(record: Arc<Record>, schedule: Schedule) -> Self {
        Self { record, schedule }
    }

    /// Returns the public id of the session, which cannot be used to sign in.
    pub fn id(&self) -> SessionId {
        self.record.id()
    }

    /// Returns the user, as the app names its users.
    pub fn user(&self) -> &str {
        self.record.user()
    }

    /// Returns the organizations whose policies bind it, sorted by name, each once.
    pub fn orgs(&self) -> impl Iterator<Item = &str> {
        self.record.memberships().iter().map(|membership| &*membership.org)
    }

    /// Returns the kind of client that holds it.
    pub fn kind(&self) -> SessionKind {
        self.record.kind()
    }

    /// Returns the name that its owner knows it by; `None` if it has no name.
    pub fn name(&self) -> Option<&str> {
        self.record.name().map(|name| &**name)
    }

    /// Returns the client's details as of its last recorded activity. They are decoded on each
    /// call.
    pub fn client(&self) -> ClientDetails {
        self.record.client()
    }

    /// Returns the time of the sign-in.
    pub fn created_at(&self) -> Timestamp {
        self.record.created()
    }

    /// Returns the time at which the user last authenticated: at sign-in or since.
    pub fn authenticated_at(&self) -> Timestamp {
        self.record.authenticated()
    }

    /// Whether the user authenticated with this method, as named in RFC 8176.
    ///
    /// The method may have been used at sign-in, see
    /// [`NewSession::methods`](super::NewSession::methods), or since.
    pub fn has_method(&self, method: &str) -> bool {
        self.methods().any(|known| known == method)
    }

    /// Returns all methods with which the user authenticated, sorted; empty if the app gave none.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.record.methods().map(|method| &**method)
    }

    /// Returns the time of the last recorded activity; `None` for a token that was never used.
    ///
    /// It is exact to the interval of [`refresh_every`](crate::Builder::refresh_every).
    pub fn last_seen_at(&self) -> Option<Timestamp> {
        let (seen, created) = (self.record.last_seen(), self.record.created());
        let unused = self.kind() == SessionKind::Token && seen == created;
        (!unused).then_some(seen)
    }

    /// Returns the time of the last recorded activity, or of a later policy change that moved its
    /// end.
    pub fn updated_at(&self) -> Timestamp {
        let seen = self.record.last_seen();
        self.schedule.first().map_or(seen, |end| end.since.max(seen))
    }

    /// Returns when it will end without further activity; `None` if no limit binds it.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.schedule.first().map(|end| end.at)
    }

    /// Returns the deadline that ends it first; `None` if no limit binds it.
    pub fn bound_by(&self) -> Option<&Deadline> {
        self.schedule.first()
    }

    /// Returns its deadline for each kind of limit.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}
