//! The one noun for "which sessions".

use std::sync::Arc;

use super::new::is_sound_name;
use super::{Record, SessionId};
use crate::time::Timestamp;

/// Which sessions to list or to end. Every condition narrows it; what has ended is never among them.
///
/// ```
/// # let current = tower_curfew::SessionId::from_bytes([0; 16]);
/// use tower_curfew::Selector;
///
/// let others = Selector::user("ada").except(current);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    user: Option<Arc<str>>,
    org: Option<Arc<str>>,
    session: Option<SessionId>,
    except: Option<SessionId>,
    not_seen_after: Option<Timestamp>,
}

impl Selector {
    // Not for others: whoever forgets a condition must not end all sessions there are.
    const EVERYTHING: Self =
        Self { user: None, org: None, session: None, except: None, not_seen_after: None };

    /// All sessions of a user.
    #[must_use]
    pub fn user(user: impl ToString) -> Self {
        Self { user: Some(user.to_string().into()), ..Self::EVERYTHING }
    }

    /// All sessions that belong to an organisation.
    #[must_use]
    pub fn org(org: impl ToString) -> Self {
        Self { org: Some(org.to_string().into()), ..Self::EVERYTHING }
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

    /// Of these only what shows no activity after `seen`.
    #[must_use]
    pub fn not_seen_after(self, seen: Timestamp) -> Self {
        Self { not_seen_after: Some(seen), ..self }
    }

    /// Whether a record is among them.
    pub fn matches(&self, record: &Record) -> bool {
        record.ended.is_none()
            && self.user.as_ref().is_none_or(|user| *user == record.user)
            && self.org.as_ref().is_none_or(|org| record.memberships.iter().any(|m| m.org == *org))
            && self.session.is_none_or(|id| id == record.id)
            && self.except.is_none_or(|id| id != record.id)
            && self.not_seen_after.is_none_or(|seen| record.seen <= seen)
    }

    /// Whether there can be such sessions: none has a name that no store can keep.
    pub(crate) fn can_match(&self) -> bool {
        self.user.iter().chain(&self.org).all(|name| is_sound_name(name))
    }

    /// The condition on the user, for stores to build a query from.
    pub fn by_user(&self) -> Option<&Arc<str>> {
        self.user.as_ref()
    }

    /// The condition on the organisation.
    pub fn by_org(&self) -> Option<&Arc<str>> {
        self.org.as_ref()
    }

    /// The condition on the id.
    pub fn by_session(&self) -> Option<SessionId> {
        self.session
    }

    /// The id that is left out.
    pub fn left_out(&self) -> Option<SessionId> {
        self.except
    }

    /// The condition on the last activity.
    pub fn by_last_seen(&self) -> Option<Timestamp> {
        self.not_seen_after
    }
}
