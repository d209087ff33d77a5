//! The path to return to after signing in: as the query of a link, and as the path itself.

use std::borrow::Cow;

use axum::http::header::LOCATION;
use axum::response::IntoResponse as _;
use tower_curfew::ReturnTo;
use url::Url;

pub(crate) const SIDES: &[&str] = &["accepted", "resolved", "refused"];

/// A path that is accepted leads a browser to this host, and nowhere else however often a server
/// decodes it. A plain one is accepted.
pub(crate) fn target(data: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(data);
    stays(&ReturnTo::from_query(Some(&text)));
    let back = ReturnTo::from_query(Some(&query(&text)));
    stays(&back);
    match back.path() {
        Some(path) if path == text => "accepted",
        Some(path) => {
            assert!(has_dots(&text), "{path:?} is not what was given, and nothing in it moves");
            "resolved"
        }
        None => {
            assert!(!is_plain(&text), "it is plain");
            "refused"
        }
    }
}

fn query(path: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("return_to", path).finish()
}

/// What everybody would call a path: it is always accepted.
fn is_plain(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '?' | '=');
    text.starts_with('/')
        && !text.contains("//")
        && text.chars().all(is_plain)
        && text.len() <= 1024
}

fn has_dots(text: &str) -> bool {
    text.contains('.') || text.to_ascii_lowercase().contains("%2e")
}

fn stays(back: &ReturnTo) {
    let Some(path) = back.path() else { return };
    assert_eq!(ReturnTo::from_query(Some(&query(path))), *back, "it is in its normal form");

    // As the browser gets it, on pages at the root and below it.
    let response = back.or("/home").into_response();
    assert_eq!(response.headers()[LOCATION], path);
    for page in ["https://app.example", "https://app.example:443/a/login?return_to=x#y"] {
        let page = Url::parse(page).expect("it is an address");
        let there = page.join(path).expect("a browser can go there");
        assert_eq!(there.origin(), page.origin(), "{there}");
        assert_eq!((there.username(), there.password()), ("", None), "{there}");
        let asked = path.split(['?', '#']).next().unwrap_or_default();
        let decoded = decoded(asked);
        assert_eq!(self::decoded(there.path()), decoded, "the browser asks for another path");
        is_harmless(&decoded);
    }
}

/// Whatever a proxy or a handler makes of the path, it is below the root of this host.
fn is_harmless(decoded: &str) {
    assert!(decoded.starts_with('/') && !decoded.starts_with("//"), "{decoded:?}");
    let hides = |c: char| c == '\\' || c.is_ascii_control();
    assert!(!decoded.contains(hides), "{decoded:?}");
    let moves = |segment: &str| matches!(segment, "." | "..");
    assert!(!decoded.split('/').any(moves), "{decoded:?} leads elsewhere");
    assert_eq!(self::decoded(decoded), decoded, "it can be decoded again");
}

/// A text with its percent-encoded bytes decoded. A `%` that encodes nothing stays.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("it decodes to text").into()
}
