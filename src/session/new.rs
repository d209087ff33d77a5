//! The app's description of a session that is about to start.

use std::fmt;
use std::sync::Arc;

use super::client::{MAX_LABEL, SessionKind};
use super::record::Link;
use super::visible::shows_nothing;
use crate::limits::Limits;

/// A session that is about to start, for [`Curfew::start`](crate::Curfew::start).
///
/// ```
/// use time::Duration;
/// use tower_curfew::{Limits, NewSession};
///
/// let at_the_library = NewSession::for_user("ada")
///     .orgs(["acme", "globex"])
///     .at_most(Limits::absolute(Duration::hours(1)))
///     .until_browser_closes();
/// ```
#[derive(Clone)]
#[must_use = "give it to `Curfew::start`"]
pub struct NewSession {
    pub(crate) user: Arc<str>,
    pub(crate) orgs: Vec<Arc<str>>,
    pub(crate) at_most: Limits,
    pub(crate) kind: SessionKind,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) links: Vec<Link>,
    pub(crate) methods: Vec<Arc<str>>,
}

impl NewSession {
    /// Makes a session of this user, as the app names its users: 1 to 512 bytes without NUL.
    pub fn for_user(user: impl Into<String>) -> Self {
        Self {
            user: user.into().into(),
            orgs: Vec::new(),
            at_most: Limits::unlimited(),
            kind: SessionKind::Browser,
            name: None,
            links: Vec::new(),
            methods: Vec::new(),
        }
    }

    /// Sets the organizations whose policies bind the session, as the app names them.
    ///
    /// Each name has 1 to 512 bytes without NUL. Give the current list at every sign-in.
    pub fn orgs(mut self, orgs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.orgs = orgs.into_iter().map(|org| org.into().into()).collect();
        self
    }

    /// Sets tighter limits for this session alone, for example on a shared computer. They never
    /// loosen the app's limits.
    pub fn at_most(mut self, limits: Limits) -> Self {
        self.at_most = limits;
        self
    }

    /// Uses a cookie without `Max-Age`, which is deleted when the browser closes.
    ///
    /// Browsers that restore their tabs may keep the cookie nevertheless, so this is not a limit.
    pub fn until_browser_closes(mut self) -> Self {
        self.kind = SessionKind::BrowserUntilClosed;
        self
    }

    /// Sets a name that the owner will recognize in the list.
    ///
    /// It has at most 512 bytes without NUL, and at least one visible character.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into());
        self
    }
}

impl NewSession {
    /// Sets the methods with which the user has just authenticated.
    ///
    /// [`has_method`](super::ActiveSession::has_method) reads them. Common names are `pwd` for a
    /// password, `otp` for a one-time password, `hwk` for a hardware key, and `mfa` for several
    /// factors. RFC 8176 lists these names, and the `amr` claim of OpenID Connect carries them. A
    /// token without methods takes over those of the session that issues it.
    ///
    /// A name has 1 to 32 visible ASCII characters. A session has at most 16 methods.
    pub fn methods(mut self, methods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.methods = methods.into_iter().map(|method| method.into().into()).collect();
        self
    }

    /// Adds a link to an external object, by which the session can be found and ended.
    ///
    /// An example is the identity provider's session of the same user: `.link("oidc", sid)`. A link
    /// cannot be used to sign in.
    ///
    /// A kind has 1 to 32 lower-case letters, digits, hyphens or underscores; a value has 1 to 512
    /// bytes without NUL. A session has at most 4 links.
    pub fn link(mut self, kind: impl Into<String>, value: impl Into<String>) -> Self {
        let link = Link { kind: kind.into().into(), value: value.into().into() };
        if !self.links.contains(&link) {
            self.links.push(link);
        }
        self
    }

    /// Whether every store can keep its names, and the session's own name is visible.
    pub(crate) fn has_valid_names(&self) -> bool {
        let mut names = self.orgs.iter().chain(&self.name).chain([&self.user]);
        let can_be_seen = self.name.as_ref().is_none_or(|name| !shows_nothing(name));
        can_be_seen && names.all(|name| is_valid_name(name))
    }

    /// Whether every store can keep its links.
    pub(crate) fn has_valid_links(&self) -> bool {
        let is_valid = |link: &Link| is_valid_kind(&link.kind) && is_valid_name(&link.value);
        self.links.len() <= MAX_LINKS && self.links.iter().all(is_valid)
    }
}

/// Whether these are valid names of methods.
pub(crate) fn are_valid_methods(methods: &[Arc<str>]) -> bool {
    let is_valid = |method: &Arc<str>| {
        (1..=32).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_graphic())
    };
    methods.len() <= MAX_METHODS && methods.iter().all(is_valid)
}

const MAX_METHODS: usize = 16;

/// Shows neither user nor links.
impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Some stores write all links with each change of a session.
const MAX_LINKS: usize = 4;

/// Whether this is a valid kind of a link.
pub(super) fn is_valid_kind(kind: &str) -> bool {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=32).contains(&kind.len()) && kind.bytes().all(inner)
}

/// Whether every store can keep this as the name of a user, an organization or a session.
pub(crate) fn is_valid_name(name: &str) -> bool {
    (1..=MAX_LABEL).contains(&name.len()) && !name.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> NewSession {
        NewSession::for_user("ada")
    }

    #[test]
    fn r36_neither_user_nor_links_print() {
        let new = ada().orgs(["acme"]).link("oidc", "sid");
        assert_eq!(format!("{new:?}"), "NewSession { kind: Browser, .. }");
    }

    #[test]
    fn r37_names_have_1_to_512_bytes() {
        let named = |len: usize| {
            let name = "a".repeat(len);
            [NewSession::for_user(&name), ada().orgs([&name]), ada().named(&name)]
        };
        for len in [1, 512] {
            assert!(named(len).iter().all(NewSession::has_valid_names), "{len}");
        }
        for len in [0, 513] {
            assert!(!named(len).iter().any(NewSession::has_valid_names), "{len}");
        }
        assert!(!ada().orgs(["acme", "a\0b"]).has_valid_names());
        assert!(!ada().named("\u{200b}").has_valid_names(), "nobody sees it");
    }

    #[test]
    fn r37_a_session_has_at_most_4_links_with_kinds_of_1_to_32_bytes() {
        let long = "a".repeat(33);
        for kind in ["a", &long[1..], "az09-_"] {
            assert!(ada().link(kind, "sid").has_valid_links(), "{kind}");
        }
        for kind in ["", &long, "A", "a:b", "a b", "\u{e9}"] {
            assert!(!ada().link(kind, "sid").has_valid_links(), "{kind}");
        }
        assert!(!ada().link("oidc", "").has_valid_links());
        let many =
            |count: usize| (0..count).fold(ada(), |new, at| new.link("oidc", at.to_string()));
        assert!(many(4).has_valid_links());
        assert!(!many(5).has_valid_links());
        assert!(many(4).link("oidc", "0").has_valid_links(), "it has that one already");
    }

    #[test]
    fn r37_a_session_has_at_most_16_methods_of_1_to_32_bytes() {
        let valid = |methods: &[String]| {
            let methods = methods.iter().map(|method| Arc::from(&**method)).collect::<Vec<_>>();
            are_valid_methods(&methods)
        };
        let of = |len: usize| "a".repeat(len);
        for (methods, expected) in [
            (vec![], true),
            (vec![of(1), of(32)], true),
            (vec![of(1), of(0)], false),
            (vec![of(33)], false),
            (vec!["a b".to_owned()], false),
            (vec![of(1); 16], true),
            (vec![of(1); 17], false),
        ] {
            assert_eq!(valid(&methods), expected, "{methods:?}");
        }
    }
}
