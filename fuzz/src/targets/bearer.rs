//! Bearer tokens in any number of `Authorization` headers, one on each line. A line that begins with
//! `Cookie: ` is a cookie beside them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};

use super::cookie::cookies;
use super::header_values;
use crate::credentials::Members;

pub(crate) const SIDES: &[&str] =
    &["live", "nobody", "unverified", "conflicting", "revoked", "superseded"];

static MEMBERS: LazyLock<Members> = LazyLock::new(Members::new);

/// A token of the site decides, and a cookie only where there is none.
pub(crate) fn target(data: &[u8]) -> &'static str {
    let (mut tokens, mut beside) = (Vec::new(), Vec::new());
    for value in header_values(&MEMBERS.filled_in(data)) {
        match value.as_bytes().strip_prefix(b"Cookie: ") {
            Some(cookie) => beside.extend(HeaderValue::from_bytes(cookie)),
            None => tokens.push(value),
        }
    }
    let presented = bearers(&tokens);
    let expected = if presented.is_empty() {
        MEMBERS.by_cookies(&cookies(&beside))
    } else {
        MEMBERS.by_bearers(&presented)
    };
    let mut request = Request::new(Body::empty());
    for (name, values) in [(header::AUTHORIZATION, &tokens), (header::COOKIE, &beside)] {
        for value in values {
            request.headers_mut().append(name.clone(), value.clone());
        }
    }
    assert_eq!(MEMBERS.outcome(request), expected);
    expected.side()
}

/// The tokens of the site in these headers, read in the plainest way.
fn bearers(headers: &[HeaderValue]) -> BTreeSet<&[u8]> {
    let mut found = BTreeSet::new();
    for value in headers {
        let value = value.as_bytes();
        let Some(space) = value.iter().position(|&byte| byte == b' ') else { continue };
        let (scheme, token) = (&value[..space], value[space..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            found.extend(token.strip_prefix(b"curfew_"));
        }
    }
    found
}
