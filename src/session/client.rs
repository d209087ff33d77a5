//! What kind of client holds a session, and what is known of it.

use std::net::IpAddr;
use std::sync::Arc;

/// No label of a session (name, user agent, device, location, user, organization) is longer, in bytes.
pub(crate) const MAX_LABEL: usize = 512;

/// What kind of client holds a session.
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
    /// A stable name: `browser`, `browser-until-closed` or `token`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::BrowserUntilClosed => "browser-until-closed",
            Self::Token => "token",
        }
    }
}

/// What is known of the client behind a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
