//! What the app says of a session that is about to start.

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
    /// A session of this user, as the app names its users: 1 to 512 bytes without NUL.
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

    /// The organizations whose policies bind it, as the app names them: each 1 to 512 bytes without
    /// NUL. Give the current list at every sign-in.
    pub fn orgs(mut self, orgs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.orgs = orgs.into_iter().map(|org| org.into().into()).collect();
        self.orgs.sort_unstable();
        self.orgs.dedup();
        self
    }

    /// Tighter limits for this session alone ("this is a shared computer"). They never loosen the
    /// limits of the app.
    pub fn at_most(mut self, limits: Limits) -> Self {
        self.at_most = limits;
        self
    }

    /// A cookie that goes with the browser: without `Max-Age`. Browsers that restore their tabs may
    /// keep it all the same, so it is no limit.
    pub fn until_browser_closes(mut self) -> Self {
        self.kind = SessionKind::BrowserUntilClosed;
        self
    }

    /// A name that its owner will know it by in the list, at most 512 bytes without NUL, of which at
    /// least one sign can be seen.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into());
        self
    }
}

impl NewSession {
    /// How the person has just proved who they are, for
    /// [`has_method`](super::ActiveSession::has_method): `pwd` for a password, `otp` for a one-time
    /// password, `hwk` for a hardware key, `mfa` for several factors; RFC 8176 lists these names, and the
    /// `amr` claim of OpenID Connect carries them. A token that says nothing takes over those of the
    /// session that issues it.
    ///
    /// A name is 1 to 32 visible characters of ASCII. A session has at most 16.
    pub fn methods(mut self, methods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.methods = methods.into_iter().map(|method| method.into().into()).collect();
        self
    }

    /// A link to something outside by which the session can be found and ended, such as the session
    /// that an identity provider has of the same person: `.link("oidc", sid)`. It signs nobody in.
    ///
    /// A kind is 1 to 32 lower-case letters, digits, hyphens or underscores, a value 1 to 512 bytes
    /// without NUL. A session has at most 4 links.
    pub fn link(mut self, kind: impl Into<String>, value: impl Into<String>) -> Self {
        let link = Link { kind: kind.into().into(), value: value.into().into() };
        if !self.links.contains(&link) {
            self.links.push(link);
        }
        self
    }

    /// Whether every store can keep its names, and people can see the session's own.
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

/// Whether these can be names of methods.
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

/// Some stores write all of them with each change of a session.
const MAX_LINKS: usize = 4;

/// Whether this can be the kind of a link.
pub(super) fn is_valid_kind(kind: &str) -> bool {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=32).contains(&kind.len()) && kind.bytes().all(inner)
}

/// Whether every store can keep this as the name of a user, an organization or a session.
pub(crate) fn is_valid_name(name: &str) -> bool {
    (1..=MAX_LABEL).contains(&name.len()) && !name.contains('\0')
}
