//! What a request sees of its session.

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

/// What a request sees: a session, that it has ended, or nothing. Exhaustive.
#[derive(Clone, Debug)]
pub enum Presence {
    /// Somebody is signed in.
    Live(Session),
    /// Somebody was signed in with this browser; here is why no more.
    Ended(Ended),
    /// Nobody, or nobody that we know of: no session cookie, one that does not verify, one under an
    /// older secret, or one whose record is gone.
    Anonymous,
}

impl Presence {
    /// The living session, if there is one.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Live(session) => Some(session),
            Self::Ended(_) | Self::Anonymous => None,
        }
    }

    /// How it is counted.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Live(_) => "live",
            Self::Ended(_) => "ended",
            Self::Anonymous => "anonymous",
        }
    }
}

/// Proof that a request came with a living session. Everything of [`ActiveSession`] is on it.
///
/// With axum it is an extractor: a handler that asks for it runs only for who is signed in.
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

    /// Whether the person proved who they are within the last `window` before this request: at
    /// sign-in or since (OWASP ASVS 7.5.2).
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

/// A living session as its owner sees it in a list.
#[derive(Clone)]
pub struct ActiveSession {
    record: Arc<Record>,
    schedule: Schedule,
}

/// Shows neither user nor address, so that it may stand in a log.
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

    /// The public name of the session, which signs nobody in.
    pub fn id(&self) -> SessionId {
        self.record.id()
    }

    /// Whose session it is, as the app names its users.
    pub fn user(&self) -> &str {
        self.record.user()
    }

    /// The organizations whose policies bind it, sorted by name, each once.
    pub fn orgs(&self) -> impl Iterator<Item = &str> {
        self.record.memberships().iter().map(|membership| &*membership.org)
    }

    /// What kind of client holds it.
    pub fn kind(&self) -> SessionKind {
        self.record.kind()
    }

    /// What its owner calls it, if it has a name.
    pub fn name(&self) -> Option<&str> {
        self.record.name().map(|name| &**name)
    }

    /// What is known of the client as of its last recorded activity. It is decoded anew each time.
    pub fn client(&self) -> ClientDetails {
        self.record.client()
    }

    /// When the person signed in.
    pub fn created_at(&self) -> Timestamp {
        self.record.created()
    }

    /// When the person last proved who they are: at sign-in or since.
    pub fn authenticated_at(&self) -> Timestamp {
        self.record.authenticated()
    }

    /// Whether the person proved who they are in this way, as RFC 8176 names it: at sign-in, see
    /// [`NewSession::methods`](super::NewSession::methods), or since.
    pub fn has_method(&self, method: &str) -> bool {
        self.methods().any(|known| known == method)
    }

    /// All ways in which the person proved who they are, sorted; none if the app did not say.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.record.methods().map(|method| &**method)
    }

    /// The last activity that was recorded, which is exact to the interval of
    /// [`refresh_every`](crate::Builder::refresh_every); `None` for a token that was never used.
    pub fn last_seen_at(&self) -> Option<Timestamp> {
        let (seen, created) = (self.record.last_seen(), self.record.created());
        let unused = self.kind() == SessionKind::Token && seen == created;
        (!unused).then_some(seen)
    }

    /// The later of the last recorded activity and the change of policy that moved its end.
    pub fn updated_at(&self) -> Timestamp {
        let seen = self.record.last_seen();
        self.schedule.first().map_or(seen, |end| end.since.max(seen))
    }

    /// When it will end without further activity; `None` if no limit binds it.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.schedule.first().map(|end| end.at)
    }

    /// What its end is bound by; `None` if no limit binds it.
    pub fn bound_by(&self) -> Option<&Deadline> {
        self.schedule.first()
    }

    /// Its end by each kind of limit.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}
