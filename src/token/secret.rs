//! Random values: the secret half of a session, and its public id.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::session::{SecretHash, SessionId};

/// The half of a session that signs in: 16 random bytes. `Debug` does not show them, and they are
/// wiped from memory when dropped.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<[u8; 16]>);

impl Secret {
    pub(crate) fn random() -> Self {
        let mut secret = Zeroizing::new([0; 16]);
        fill(&mut *secret);
        Self(secret)
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The SHA-256 of the secret, the only form that the record keeps. It needs no salt: a secret
    /// has 128 random bits.
    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash::from_bytes(Sha256::digest(*self.0).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

pub(crate) fn random_id() -> SessionId {
    let mut id = [0; 16];
    fill(&mut id);
    SessionId::from_bytes(id)
}

/// The random part of a revision.
pub(crate) fn nonce() -> u32 {
    let mut nonce = [0; 4];
    fill(&mut nonce);
    u32::from_le_bytes(nonce)
}

/// # Panics
///
/// Panics if the operating system provides no randomness. A token that can be guessed would be
/// worse.
pub(super) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system provides randomness");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        assert_ne!(Secret::random().as_bytes(), Secret::random().as_bytes());
        assert_ne!(random_id(), random_id());
    }

    /// `hashlib.sha256(bytes(range(16, 32)))` in Python.
    #[test]
    fn the_hash_is_sha_256() {
        let secret = Secret::from_bytes(std::array::from_fn(|at| 16 + at as u8));
        let hex: String = secret.hash().as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "fc2e2c73072bfa2bda03ff9307472debd3cc8105028a8a9e235e35ba8d2e37f4");
    }

    #[test]
    fn r36_secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::random()), "Secret(..)");
    }
}
