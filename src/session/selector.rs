//! The one noun for "which sessions".

use std::fmt;
use std::sync::Arc;

use super::id::SessionId;
use super::key::Key;
use super::new::{is_valid_kind, is_valid_name};
use super::record::{Link, Record};

/// Which sessions to count or to end. Every condition narrows it; what has ended is never among them.
///
/// ```
/// # let current = tower_curfew::SessionId::from_bytes([0; 16]);
/// use tower_curfew::Selector;
///
/// let others = Selector::user("ada").except(current);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Selector {
    user: Option<Arc<str>>,
    org: Option<Arc<str>>,
    link: Option<Link>,
    session: Option<SessionId>,
    except: Option<SessionId>,
}

impl Selector {
    // Not for others: whoever forgets a condition must not end all sessions there are.
    const EVERYTHING: Self =
        Self { user: None, org: None, link: None, session: None, except: None };

    /// All sessions of a user.
    #[must_use]
    pub fn user(user: impl Into<String>) -> Self {
        Self { user: Some(user.into().into()), ..Self::EVERYTHING }
    }

    /// All sessions that belong to an organization. Not for others: an organization is revoked by
    /// its rules, in one write.
    pub(crate) fn org(org: &str) -> Self {
        Self { org: Some(org.into()), ..Self::EVERYTHING }
    }

    /// All sessions with this [link](super::NewSession::link).
    #[must_use]
    pub fn link(kind: impl Into<String>, value: impl Into<String>) -> Self {
        let link = Link { kind: kind.into().into(), value: value.into().into() };
        Self { link: Some(link), ..Self::EVERYTHING }
    }

    /// One session, whoever it belongs to.
    #[must_use]
    pub fn session(id: SessionId) -> Self {
        Self { session: Some(id), ..Self::EVERYTHING }
    }

    /// Of these only the one with this id. `Selector::user(me).only(id)` cannot touch a stranger's.
    #[must_use]
    pub fn only(self, id: SessionId) -> Self {
        Self { session: Some(id), ..self }
    }

    /// All of these but one.
    #[must_use]
    pub fn except(self, id: SessionId) -> Self {
        Self { except: Some(id), ..self }
    }

    /// Whether a record is among them.
    pub fn matches(&self, record: &Record) -> bool {
        !record.has_ended()
            && self.user.as_ref().is_none_or(|user| user == record.user())
            && self.org.as_ref().is_none_or(|org| record.membership(org).is_some())
            && self.link.as_ref().is_none_or(|link| record.is_under(&link.key()))
            && self.session.is_none_or(|id| id == record.id())
            && self.except.is_none_or(|id| id != record.id())
    }

    /// Whether there can be such sessions: none has a name that no store can keep.
    pub(crate) fn can_match(&self) -> bool {
        self.user.iter().chain(&self.org).all(|name| is_valid_name(name))
            && self.link.iter().all(|l| is_valid_kind(&l.kind) && is_valid_name(&l.value))
    }

    /// What they are all listed under; `None` if it is one session, which its id finds.
    pub(crate) fn key(&self) -> Option<Key> {
        // Of several the one that is likely to have the fewest sessions.
        match (&self.session, &self.link, &self.user, &self.org) {
            (Some(_), ..) => None,
            (None, Some(link), ..) => Some(link.key()),
            (None, None, Some(user), _) => Some(Key::user(user)),
            (None, None, None, Some(org)) => Some(Key::org(org)),
            (None, None, None, None) => None,
        }
    }

    /// The condition on the user.
    pub fn by_user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The condition on the link: its kind and its value.
    pub fn by_link(&self) -> Option<(&str, &str)> {
        self.link.as_ref().map(|link| (&*link.kind, &*link.value))
    }

    /// The condition on the id.
    pub fn by_session(&self) -> Option<SessionId> {
        self.session
    }

    /// The id that is left out.
    pub fn left_out(&self) -> Option<SessionId> {
        self.except
    }
}

/// Shows by what it selects, and neither user nor link.
impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("by_user", &self.user.is_some())
            .field("by_link", &self.link.is_some())
            .field("session", &self.session)
            .field("except", &self.except)
            .finish_non_exhaustive()
    }
}
