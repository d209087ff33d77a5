//! What the app says of a session that is about to start.

use std::sync::Arc;

use super::record::{Kind, MAX_LABEL};
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
#[derive(Clone, Debug)]
#[must_use = "give it to `Curfew::start`"]
pub struct NewSession {
    pub(crate) user: Arc<str>,
    pub(crate) orgs: Vec<Arc<str>>,
    pub(crate) at_most: Limits,
    pub(crate) kind: Kind,
    pub(crate) name: Option<Arc<str>>,
}

impl NewSession {
    /// A session of this user, as the app names its users: 1 to 512 bytes without NUL.
    pub fn for_user(user: impl ToString) -> Self {
        Self {
            user: user.to_string().into(),
            orgs: Vec::new(),
            at_most: Limits::unlimited(),
            kind: Kind::Browser,
            name: None,
        }
    }

    /// The organisations whose policies bind it, as the app names them: each 1 to 512 bytes without
    /// NUL. Give the current list at every sign-in.
    pub fn orgs(mut self, orgs: impl IntoIterator<Item = impl ToString>) -> Self {
        self.orgs = orgs.into_iter().map(|org| org.to_string().into()).collect();
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
        self.kind = Kind::BrowserUntilClosed;
        self
    }

    /// A name that its owner will know it by in the list, at most 512 bytes.
    pub fn named(mut self, name: impl ToString) -> Self {
        self.name = Some(name.to_string().into());
        self
    }
}

/// Whether every store can keep this as the name of a user, an organisation or a session.
pub(crate) fn is_sound_name(name: &str) -> bool {
    (1..=MAX_LABEL).contains(&name.len()) && !name.contains('\0')
}
