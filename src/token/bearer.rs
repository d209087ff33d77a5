//! Tokens for clients that are no browsers, in the `Authorization` header (RFC 6750).

use std::fmt;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use zeroize::Zeroizing;

use super::presented::Presented;
use crate::session::SessionId;

/// A token for a client that is no browser, just issued. It is shown this once: the store keeps
/// only a hash of its secret.
///
/// It does not print, and is wiped when dropped.
#[must_use = "nobody can ever see this token again"]
pub struct IssuedToken {
    id: SessionId,
    text: Zeroizing<String>,
}

impl IssuedToken {
    pub(crate) fn new(id: SessionId, signed: &str) -> Self {
        Self { id, text: Zeroizing::new(format!("{PREFIX}{signed}")) }
    }

    /// The public name of the session that the token stands for, which ends it and signs nobody in.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The token: `curfew_` and 96 characters of base64url. Whoever has it is signed in.
    pub fn token(&self) -> &str {
        &self.text
    }

    /// The value of the `Authorization` header that a client sends, for clients and for tests.
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

/// By which scanners for leaked secrets know a token.
const PREFIX: &str = "curfew_";

/// Looks for one of our tokens. Tokens of others, which the app may have besides, are not seen.
pub(crate) fn read_bearer(headers: &HeaderMap) -> Presented<'_> {
    let mut found = Presented::Nothing;
    for header in headers.get_all(AUTHORIZATION) {
        let Some(token) = bearer(header).and_then(|bearer| bearer.strip_prefix(PREFIX.as_bytes()))
        else {
            continue;
        };
        found = found.and(token);
    }
    found
}

/// Whether a client presents a token, ours or another. Browsers do so for no page.
pub(crate) fn bears_token(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().any(|header| bearer(header).is_some())
}

fn bearer(header: &HeaderValue) -> Option<&[u8]> {
    let (scheme, rest) = header.as_bytes().split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| rest.trim_ascii())
}

const SCHEME: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Option<String> {
        let headers: HeaderMap =
            values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect();
        match read_bearer(&headers) {
            Presented::Nothing => None,
            Presented::One(token) => Some(String::from_utf8(token.to_vec()).unwrap()),
            Presented::Conflicting => Some("conflicting".to_owned()),
        }
    }

    #[test]
    fn only_our_tokens_are_seen() {
        for (values, token) in [
            (&["Bearer curfew_abc"][..], Some("abc")),
            (&["bearer  curfew_abc "], Some("abc")),
            (&["BEARER curfew_"], Some("")),
            (&["Basic YTpi", "Bearer curfew_abc"], Some("abc")),
            (&["Bearer eyJhbGciOi", "Bearer curfew_abc"], Some("abc")),
            (&["Bearer curfew_abc", "Bearer curfew_abc"], Some("abc")),
            (&["Bearer curfew_abc", "Bearer curfew_abd"], Some("conflicting")),
            (&[], None),
            (&["Bearer "], None),
            (&["Bearer"], None),
            (&["Bearer Curfew_abc"], None),
            (&["Bearer abc"], None),
            (&["Basic curfew_abc"], None),
            (&["curfew_abc"], None),
        ] {
            assert_eq!(read(values).as_deref(), token, "{values:?}");
        }
    }

    #[test]
    fn r36_it_does_not_print() {
        let issued = IssuedToken::new(SessionId::from_bytes([7; 16]), "s3cret");
        assert_eq!(issued.token(), "curfew_s3cret");
        assert_eq!(issued.request_header(), "Bearer curfew_s3cret");
        let printed = format!("{issued:?} {:?}", issued.request_header());
        assert!(!printed.contains("s3cret"), "{printed}");
    }

    #[test]
    fn a_token_is_as_long_as_its_docs_say() {
        assert_eq!(crate::token::Signer::LEN, 96);
    }
}
