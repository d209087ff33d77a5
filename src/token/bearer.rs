//! A bearer token, as it is shown once.

use std::fmt;

use http::header::HeaderValue;
use zeroize::Zeroizing;

use crate::session::SessionId;

/// A bearer token that was just issued. It is shown once: the store keeps only a hash of its
/// secret.
///
/// `Debug` does not show it, and it is wiped from memory when dropped.
#[must_use = "nobody can ever see this token again"]
pub struct IssuedToken {
    id: SessionId,
    text: Zeroizing<String>,
}

impl IssuedToken {
    pub(crate) fn new(id: SessionId, signed: &str) -> Self {
        Self { id, text: Zeroizing::new(format!("{BEARER_PREFIX}{signed}")) }
    }

    /// Returns the public id of the token's session. It can end the session, but not sign in.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the token: `curfew_` and 96 characters of base64url. It signs in any client that has
    /// it.
    pub fn token(&self) -> &str {
        &self.text
    }

    /// Returns the value of the `Authorization` header, for clients and for tests.
    pub fn request_header(&self) -> HeaderValue {
        let mut header = HeaderValue::try_from(format!("Bearer {}", *self.text))
            .expect("a token is of visible ASCII");
        header.set_sensitive(true);
        header
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The prefix of every token, by which scanners for leaked secrets recognize it.
pub(crate) const BEARER_PREFIX: &str = "curfew_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r36_it_does_not_print() {
        let issued = IssuedToken::new(SessionId::from_bytes([7; 16]), "s3cret");
        assert_eq!(issued.token(), "curfew_s3cret");
        assert_eq!(issued.request_header(), "Bearer curfew_s3cret");
        let printed = format!("{issued:?} {:?}", issued.request_header());
        assert!(!printed.contains("s3cret"), "{printed}");
        assert!(printed.contains(&issued.id().to_string()), "{printed}");
    }

    #[test]
    fn a_token_is_as_long_as_its_docs_say() {
        assert_eq!(crate::token::Signer::LEN, 96);
    }
}
