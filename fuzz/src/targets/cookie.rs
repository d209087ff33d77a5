//! The session cookie among anything else in any number of `Cookie` headers, one on each line.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};

use super::header_values;
use crate::credentials::Members;
use crate::site::NAME;

pub(crate) const SIDES: &[&str] =
    &["live", "nobody", "unverified", "conflicting", "revoked", "superseded", "unknown"];

static MEMBERS: LazyLock<Members> = LazyLock::new(Members::new);

/// What verifies was signed by the site, stands there under the exact name, and is the only such
/// value.
pub(crate) fn target(data: &[u8]) -> &'static str {
    let headers = header_values(&MEMBERS.filled_in(data));
    let expected = MEMBERS.by_cookies(&cookies(&headers));
    let mut request = Request::new(Body::empty());
    for value in &headers {
        request.headers_mut().append(header::COOKIE, value.clone());
    }
    assert_eq!(MEMBERS.outcome(request), expected);
    expected.side()
}

/// The values of the session cookie in these headers, read in the plainest way.
pub(super) fn cookies(headers: &[HeaderValue]) -> BTreeSet<&[u8]> {
    let mut found = BTreeSet::new();
    for pair in headers.iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b';')) {
        let pair = pair.trim_ascii();
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else { continue };
        if &pair[..equals] == NAME.as_bytes() {
            found.insert(&pair[equals + 1..]);
        }
    }
    found
}
