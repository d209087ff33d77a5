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
        self.orgs.sort_unstable();
        self.orgs.dedup();
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
