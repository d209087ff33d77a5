//! Selectors: which sessions to list, count or end.

use std::fmt;
use std::sync::Arc;

use super::id::SessionId;
use super::key::Key;
use super::new::{is_valid_kind, is_valid_name};
use super::record::{Link, Record};

/// Selects sessions to list, count or end. Every condition narrows the selection.
///
/// Ended sessions are never selected.
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
    // Private, because a caller that forgets a condition must not end all sessions.
    const EVERYTHING: Self =
        Self { user: None, org: None, link: None, session: None, except: None };

    /// Selects all sessions of a user.
    #[must_use]
    pub fn user(user: impl Into<String>) -> Self {
        Self { user: Some(user.into().into()), ..Self::EVERYTHING }
    }

    /// Selects all sessions of an organization. Private, because an organization is revoked by its
    /// rules, in one write.
    pub(crate) fn org(org: &str) -> Self {
        Self { org: Some(org.into()), ..Self::EVERYTHING }
    }

    /// Selects all sessions with this [link](super::NewSession::link).
    #[must_use]
    pub fn link(kind: impl Into<String>, value: impl Into<String>) -> Self {
        let link = Link { kind: kind.into().into(), value: value.into().into() };
        Self { link: Some(link), ..Self::EVERYTHING }
    }

    /// Selects one session, of any user.
    #[must_use]
    pub fn session(id: SessionId) -> Self {
        Self { session: Some(id), ..Self::EVERYTHING }
    }

    /// Narrows the selection to the session with this id.
    ///
    /// `Selector::user(me).only(id)` cannot select a session of another user.
    #[must_use]
    pub fn only(self, id: SessionId) -> Self {
        Self { session: Some(id), ..self }
    }

    /// Excludes one session from the selection.
    #[must_use]
    pub fn except(self, id: SessionId) -> Self {
        Self { except: Some(id), ..self }
    }

    /// Whether the selection contains a record.
    pub fn matches(&self, record: &Record) -> bool {
        !record.has_ended()
            && self.user.as_ref().is_none_or(|user| user == record.user())
            && self.org.as_ref().is_none_or(|org| record.membership(org).is_some())
            && self.link.as_ref().is_none_or(|link| record.is_under(&link.key()))
            && self.session.is_none_or(|id| id == record.id())
            && self.except.is_none_or(|id| id != record.id())
    }

    /// Whether such sessions can exist: a name that no store can keep selects none.
    pub(crate) fn can_match(&self) -> bool {
        self.user.iter().chain(&self.org).all(|name| is_valid_name(name))
            && self.link.iter().all(|l| is_valid_kind(&l.kind) && is_valid_name(&l.value))
    }

    /// The key that all selected sessions are listed under; `None` for a single session, which is
    /// found by its id.
    pub(crate) fn key(&self) -> Option<Key> {
        // Of several conditions, the one that is likely to match the fewest sessions.
        match (&self.session, &self.link, &self.user, &self.org) {
            (Some(_), ..) => None,
            (None, Some(link), ..) => Some(link.key()),
            (None, None, Some(user), _) => Some(Key::user(user)),
            (None, None, None, Some(org)) => Some(Key::org(org)),
            (None, None, None, None) => None,
        }
    }

    /// Returns the condition on the user, if there is one.
    pub fn by_user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the condition on the link, if there is one: its kind and its value.
    pub fn by_link(&self) -> Option<(&str, &str)> {
        self.link.as_ref().map(|link| (&*link.kind, &*link.value))
    }

    /// Returns the condition on the id, if there is one.
    pub fn by_session(&self) -> Option<SessionId> {
        self.session
    }

    /// Returns the excluded id, if there is one.
    pub fn left_out(&self) -> Option<SessionId> {
        self.except
    }
}

/// Shows the kinds of conditions, but neither user nor link.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::session::{Ended, Membership, SecretHash, Stamp};

    #[test]
    fn r25_a_session_is_selected_if_it_lives_and_meets_every_condition() {
        let at = Timestamp::from_unix_millis(0);
        let [id, other] = [1, 2].map(|byte| SessionId::from_bytes([byte; 16]));
        let link = |value: &str| Some(Link { kind: "oidc".into(), value: value.into() });
        let acme = Membership { org: "acme".into(), stamp: Stamp::default(), joined: at };
        let record = Record::begin(id, SecretHash::from_bytes([3; 32]), "ada", at, 7)
            .with_memberships(vec![acme])
            .with_links(Vec::from_iter(link("sid")));
        let all = Selector {
            user: Some("ada".into()),
            org: Some("acme".into()),
            link: link("sid"),
            session: Some(id),
            except: Some(other),
        };
        assert!(Selector::EVERYTHING.matches(&record));
        assert!(all.matches(&record));
        assert!(!all.matches(&record.next(7).with_end(Ended::revoked(at))));
        for (label, selector) in [
            ("user", Selector { user: Some("bob".into()), ..all.clone() }),
            ("org", Selector { org: Some("globex".into()), ..all.clone() }),
            ("link", Selector { link: link("another"), ..all.clone() }),
            ("session", Selector { session: Some(other), ..all.clone() }),
            ("except", Selector { except: Some(id), ..all.clone() }),
        ] {
            assert!(!selector.matches(&record), "{label}");
        }
    }

    #[test]
    fn r36_a_selector_says_what_it_asks_for_and_prints_neither_user_nor_link() {
        let [id, other] = [1, 2].map(|byte| SessionId::from_bytes([byte; 16]));
        let theirs = Selector::user("ada").only(id).except(other);
        assert_eq!((theirs.by_user(), theirs.by_link()), (Some("ada"), None));
        assert_eq!((theirs.by_session(), theirs.left_out()), (Some(id), Some(other)));
        let linked = Selector::link("oidc", "sid");
        assert_eq!((linked.by_user(), linked.by_link()), (None, Some(("oidc", "sid"))));
        assert_eq!((linked.by_session(), linked.left_out()), (None, None));
        assert_eq!(
            format!("{linked:?} {:?}", Selector::user("ada")),
            "Selector { by_user: false, by_link: true, session: None, except: None, .. } \
             Selector { by_user: true, by_link: false, session: None, except: None, .. }"
        );
    }

    #[test]
    fn a_selector_with_a_name_that_no_session_has_matches_nothing() {
        let (user, org) = (Selector::user("ada"), Selector::org("acme"));
        let link = |kind: &str, value: &str| Selector::link(kind, value);
        let both = Selector { org: org.org.clone(), ..user.clone() };
        for possible in [&user, &org, &both, &link("oidc", "sid"), &Selector::EVERYTHING] {
            assert!(possible.can_match(), "{possible:?}");
        }
        for impossible in [
            Selector::user(""),
            Selector::org(""),
            Selector { user: Some("".into()), ..org.clone() },
            Selector { org: Some("".into()), ..user.clone() },
            link("OIDC", "sid"),
            link("oidc", ""),
            Selector { link: link("oidc", "").link, ..user },
            Selector { user: Some("".into()), ..link("oidc", "sid") },
        ] {
            assert!(!impossible.can_match(), "{impossible:?}");
        }
    }
}
