//! The kind of client that holds a session, and its details.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The most bytes of a label of a session: name, user agent, device, location, user or
/// organization.
pub(crate) const MAX_LABEL: usize = 512;

/// The kind of client that holds a session.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// A browser, with a cookie that survives its restart.
    Browser,
    /// A browser, with a cookie that is deleted when the browser closes.
    BrowserUntilClosed,
    /// A command-line, mobile or desktop client, with a bearer token.
    Token,
}

impl SessionKind {
    /// Returns a name that stays the same in all versions: `browser` or `token`.
    ///
    /// Both kinds of browser sessions are named `browser`.
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

/// The details that are known about the client of a session.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientDetails {
    /// The `User-Agent` header as received, cut to 512 bytes.
    pub agent: Option<Arc<str>>,
    /// Device and browser in words, such as `Chrome on macOS`.
    pub device: Option<Arc<str>>,
    /// The network address, or the part of it that the app keeps.
    pub address: Option<IpAddr>,
    /// The approximate location, such as `Berlin, Germany`.
    pub location: Option<Arc<str>>,
}

/// Shows neither address nor user agent, so that it is safe to log.
impl fmt::Debug for ClientDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientDetails").field("device", &self.device).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r36_of_a_client_only_the_device_prints() {
        let client = ClientDetails {
            agent: Some("UA/1.0".into()),
            device: Some("Chrome on macOS".into()),
            address: Some(IpAddr::from([192, 0, 2, 1])),
            location: Some("Turin".into()),
        };
        let printed = format!("{client:?}");
        assert_eq!(printed, "ClientDetails { device: Some(\"Chrome on macOS\"), .. }");
    }
}
