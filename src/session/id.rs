//! The public id of a session, and the hash of its secret.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::{Choice, ConstantTimeEq as _};

/// The public id of a session: 16 random bytes, written as 22 characters of base64url.
///
/// It is the key of the session's record, and stays the same when the secret is rotated. Lists,
/// URLs, events and logs may contain it. It cannot be used to sign in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Makes an id from these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of this id, which are uniformly random.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(Self(bytes)),
            _ => Err(InvalidSessionId),
        }
    }
}

/// The error for a text that is not a [`SessionId`] in 22 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session id is 22 characters of base64url")]
pub struct InvalidSessionId;

/// The SHA-256 of a session's secret. Only the client's token contains the secret itself.
///
/// Two hashes are compared in constant time.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Makes a hash from these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of this hash, for stores.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Compares in constant time.
impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        // Word by word is as safe as byte by byte, and eight times as fast.
        let (own, _) = self.0.as_chunks::<8>();
        let (others, _) = other.0.as_chunks::<8>();
        let words = own.iter().zip(others);
        let same =
            words.map(|(one, other)| u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other)));
        same.fold(Choice::from(1), |all, same| all & same).into()
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_as_it_is_written() {
        let id = SessionId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "MDEyMzQ1Njc4OWFiY2RlZg");
        assert_eq!(format!("{id:?}"), id.to_string());
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_text_is_no_id() {
        for text in [
            "",
            "x",
            "MDEyMzQ1Njc4OWFiY2RlZ",
            "MDEyMzQ1Njc4OWFiY2RlZgA",
            "MDEyMzQ1Njc4OWFiY2RlZ!",
            "MDEyMzQ1Njc4OWFiY2RlZh",
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId), "{text}");
        }
    }

    #[test]
    fn r36_hashes_do_not_print() {
        assert_eq!(format!("{:?}", SecretHash::from_bytes([7; 32])), "SecretHash(..)");
    }
}
