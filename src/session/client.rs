//! What kind of client holds a session, and what is known of it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// No label of a session (name, user agent, device, location, user, organization) is longer, in bytes.
pub(crate) const MAX_LABEL: usize = 512;

/// What kind of client holds a session.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// A browser, with a cookie that survives its restart.
    Browser,
    /// A browser, with a cookie that goes when it is closed.
    BrowserUntilClosed,
    /// A command-line, mobile or desktop client, with a bearer token.
    Token,
}

impl SessionKind {
    /// A name that stays the same in all versions: `browser`, whether its cookie survives a restart or
    /// not, or `token`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser | Self::BrowserUntilClosed => "browser",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for SessionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of the client behind a session.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientDetails {
    /// The `User-Agent` header as it came, at most 512 bytes of it.
    pub agent: Option<Arc<str>>,
    /// Device and browser in words, as in `Chrome on macOS`.
    pub device: Option<Arc<str>>,
    /// The network address, as much of it as the app keeps.
    pub address: Option<IpAddr>,
    /// The approximate location, as in `Berlin, Germany`.
    pub location: Option<Arc<str>>,
}

/// Shows neither address nor user agent, so that it may stand in a log.
impl fmt::Debug for ClientDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientDetails").field("device", &self.device).finish_non_exhaustive()
    }
}
