//! The keys that sessions are listed under.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// A key that a store lists sessions under: their user, an organization, or a link.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// The key of all sessions of this user.
    pub fn user(user: &str) -> Self {
        Self(format!("{USER}{user}").into())
    }

    /// The key of all sessions of this organization.
    pub fn org(org: &str) -> Self {
        Self(format!("{ORG}{org}").into())
    }

    /// The key of all sessions with this link. The kind of a link has no colon.
    pub fn link(kind: &str, value: &str) -> Self {
        Self(format!("{LINK}{kind}:{value}").into())
    }

    /// A key that was defined by a later version of this crate.
    pub(super) fn unknown(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the unique text of the key: 1 to about 600 bytes without NUL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns 64 bits of the SHA-256 of the key's text, for stores that index numbers.
    ///
    /// They are the same on every machine and in every version. If two keys share a digest,
    /// [`Record::is_under`](super::Record::is_under) tells them apart.
    pub fn digest(&self) -> u64 {
        let digest = Sha256::digest(self.0.as_bytes());
        u64::from_be_bytes(*digest.first_chunk().expect("a SHA-256 has 32 bytes"))
    }
}

/// Shows neither user nor organization.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.0.split(':').next().unwrap_or_default();
        write!(f, "Key({kind}:..)")
    }
}

pub(super) const USER: &str = "user:";
pub(super) const ORG: &str = "org:";
pub(super) const LINK: &str = "link:";

#[cfg(test)]
mod tests {
    use super::*;

    /// `hashlib.sha256(b"user:ada").digest()[:8].hex()` in Python.
    #[test]
    fn a_digest_is_the_same_everywhere() {
        assert_eq!(format!("{:016x}", Key::user("ada").digest()), "19d0191a4a075795");
    }

    #[test]
    fn r36_a_key_does_not_print() {
        assert_eq!(format!("{:?}", Key::user("ada")), "Key(user:..)");
    }
}
