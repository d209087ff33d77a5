//! The credentials of a request and their verification: a bearer token, or the cookie.

use std::fmt;
use std::io::BufRead as _;
use std::iter;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HeaderValue};

use crate::event::RefusalReason;
use crate::token::{BEARER_PREFIX, Keyring, Purpose, Signer, Token};

/// Finds and verifies the credentials of requests, and signs new ones.
#[derive(Debug)]
pub(crate) struct Credentials {
    cookie_name: String,
    cookies: Signer,
    tokens: Signer,
}

impl Credentials {
    pub(crate) fn new(keyring: &Keyring, cookie_name: &str) -> Self {
        Self {
            cookie_name: cookie_name.to_owned(),
            cookies: keyring.signer(Purpose::Cookie, cookie_name),
            tokens: keyring.signer(Purpose::Bearer, cookie_name),
        }
    }

    /// The token that a request presents, if it verifies; `None` if it presents none.
    ///
    /// # Errors
    ///
    /// The reason why the presented token is refused.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Result<Option<Token>, RefusalReason> {
        // A bearer token comes first: a browser always sends the cookie along.
        let (presented, signer) = match bearer_token(headers) {
            Presented::Nothing => (session_cookie(headers, &self.cookie_name), &self.cookies),
            bearer => (bearer, &self.tokens),
        };
        match presented {
            Presented::Nothing => Ok(None),
            Presented::One(value) => {
                signer.verify(value).map(Some).ok_or(RefusalReason::Unverified)
            }
            Presented::Conflicting => Err(RefusalReason::Conflicting),
        }
    }

    /// Signs the token for a browser's cookie.
    pub(crate) fn sign_cookie(&self, token: &Token) -> String {
        self.cookies.sign(token)
    }

    /// Signs a bearer token; the result follows the prefix.
    pub(crate) fn sign_bearer(&self, token: &Token) -> String {
        self.tokens.sign(token)
    }
}

/// The credentials that a request presents: a cookie, or a token. `Debug` does not show the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presented<'h> {
    Nothing,
    /// One value, possibly repeated.
    One(&'h [u8]),
    /// Two different values, both refused: an attacker may have planted one. (R35)
    Conflicting,
}

impl<'h> Presented<'h> {
    /// Adds one more value.
    fn and(self, value: &'h [u8]) -> Self {
        match self {
            Self::Nothing => Self::One(value),
            Self::One(first) if first == value => self,
            Self::One(_) | Self::Conflicting => Self::Conflicting,
        }
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::One(_) => "One(..)",
            Self::Conflicting => "Conflicting",
        })
    }
}

/// Finds the cookie in the bytes of all `Cookie` headers.
///
/// Names are not decoded before the comparison: decoding `__%48ost-` would accept a cookie that any
/// site of the domain can set. (Trap 19)
fn session_cookie<'h>(headers: &'h HeaderMap, name: &str) -> Presented<'h> {
    let name = name.as_bytes();
    let mut found = Presented::Nothing;
    for header in headers.get_all(COOKIE) {
        for pair in pairs(header.as_bytes()) {
            let Some(rest) = pair.trim_ascii().strip_prefix(name) else {
                continue;
            };
            let Some(value) = rest.strip_prefix(b"=") else {
                continue;
            };
            found = found.and(value);
        }
    }
    found
}

/// The parts between the semicolons.
fn pairs(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        let from_here = rest;
        // This uses the standard library's `memchr`: a third of the time of `split`.
        let len = rest.skip_until(b';').expect("reading a slice does not fail");
        let pair = &from_here[..len];
        (len != 0).then(|| pair.strip_suffix(b";").unwrap_or(pair))
    })
}

/// Finds one of our tokens. Other tokens, which the app may also use, are ignored.
fn bearer_token(headers: &HeaderMap) -> Presented<'_> {
    let mut found = Presented::Nothing;
    for header in headers.get_all(AUTHORIZATION) {
        let Some(token) =
            bearer(header).and_then(|bearer| bearer.strip_prefix(BEARER_PREFIX.as_bytes()))
        else {
            continue;
        };
        found = found.and(token);
    }
    found
}

/// Whether a client presents one of our tokens, valid or not.
#[cfg(feature = "axum")]
pub(crate) fn bears_our_token(headers: &HeaderMap) -> bool {
    bearer_token(headers) != Presented::Nothing
}

/// Whether a client presents a token, ours or another. Browsers never do so for a page.
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

    const NAME: &str = "__Host-Http-session";

    fn cookies(headers: &[&[u8]]) -> HeaderMap {
        let value = |bytes: &&[u8]| (COOKIE, HeaderValue::from_bytes(bytes).unwrap());
        headers.iter().map(value).collect()
    }

    fn read(values: &[&'static str]) -> Option<String> {
        let headers: HeaderMap =
            values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect();
        match bearer_token(&headers) {
            Presented::Nothing => None,
            Presented::One(token) => Some(String::from_utf8(token.to_vec()).unwrap()),
            Presented::Conflicting => Some("conflicting".to_owned()),
        }
    }

    #[test]
    fn reads_the_value_as_it_came() {
        for (header, value) in [
            (&b"__Host-Http-session=v"[..], Some(&b"v"[..])),
            (b"a=b; __Host-Http-session=v; c=d", Some(b"v")),
            (b"a=b;\t __Host-Http-session=v\t ;c=d", Some(b"v")),
            (b";;__Host-Http-session=v;", Some(b"v")),
            (b"__Host-Http-session=a=b", Some(b"a=b")),
            (b"__Host-Http-session=\"v\"", Some(b"\"v\"")),
            (b"__Host-Http-session=%76", Some(b"%76")),
            (b"__Host-Http-session=", Some(b"")),
            (b"__Host-Http-session", None),
            (b"__Host-Http-sessions=v", None),
            (b"__Host-Http-session =v", None),
            (b"x__Host-Http-session=v", None),
            (b"__host-http-session=v", None),
            (b"=__Host-Http-session=v", None),
            (b"a=__Host-Http-session=v", None),
            (b"a=b,__Host-Http-session=v", None),
            (b"", None),
        ] {
            let headers = cookies(&[header]);
            let presented = value.map_or(Presented::Nothing, Presented::One);
            assert!(session_cookie(&headers, NAME) == presented, "{}", header.escape_ascii());
        }
        assert!(session_cookie(&HeaderMap::new(), NAME) == Presented::Nothing);
    }

    #[test]
    fn trap_19_a_percent_encoded_name_is_another_name() {
        let evil = cookies(&[b"__%48ost-Http-session=evil"]);
        assert_eq!(session_cookie(&evil, NAME), Presented::Nothing);
        let both = cookies(&[b"__Host-Http-session=v; __%48ost-Http-session=evil"]);
        assert!(session_cookie(&both, NAME) == Presented::One(b"v"));
    }

    #[test]
    fn trap_20_a_neighbour_of_other_bytes_hides_nothing() {
        let headers = cookies(&[b"name=J\xf6rg\xff; __Host-Http-session=v; \x80=\xe2\x82\xac"]);
        assert!(session_cookie(&headers, NAME) == Presented::One(b"v"));
    }

    #[test]
    fn r37_five_thousand_neighbours_hide_nothing() {
        let neighbours = b"neighbour=__Host-Http-session; ".repeat(2500);
        let all = [&neighbours[..], b"__Host-Http-session=v; ", &neighbours[..]].concat();
        assert!(session_cookie(&cookies(&[&all]), NAME) == Presented::One(b"v"));
        assert!(session_cookie(&cookies(&[&neighbours]), NAME) == Presented::Nothing);
    }

    #[test]
    fn trap_25_r35_two_different_values_count_as_neither() {
        let ours: &[u8] = b"__Host-Http-session=v";
        let planted: &[u8] = b"__Host-Http-session=w";
        let empty: &[u8] = b"__Host-Http-session=";
        let joined = |one: &[u8], other: &[u8]| [one, b"; a=b; ", other].concat();
        for (one, other) in [(ours, planted), (planted, ours), (ours, empty), (empty, ours)] {
            let headers = cookies(&[&joined(one, other)]);
            assert_eq!(session_cookie(&headers, NAME), Presented::Conflicting);
            assert_eq!(
                session_cookie(&cookies(&[one, b"a=b", other]), NAME),
                Presented::Conflicting
            );
        }
        for same in [cookies(&[&joined(ours, ours)]), cookies(&[ours, ours, ours])] {
            assert!(session_cookie(&same, NAME) == Presented::One(b"v"));
        }
    }

    #[test]
    fn r36_what_was_presented_does_not_print() {
        assert_eq!(format!("{:?}", Presented::One(b"v")), "One(..)");
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
}
