//! Who is asking.

use http::HeaderMap;
use http::header;

use super::credentials::bears_token;

/// Who is asking, which decides what answer helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestKind {
    /// A person who opened a page or sent a form. A redirect shows them another page.
    Navigation,
    /// htmx, which follows its own header.
    Htmx,
    /// A program that presents a bearer token. It wants a status, never a page.
    Bearer,
    /// A script, or another program. It wants a status, never a page.
    Background,
}

impl RequestKind {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if bears_token(headers) {
            return Self::Bearer;
        }
        if headers.get("hx-request").is_some_and(|given| given == "true") {
            return Self::Htmx;
        }
        let navigates = match headers.get("sec-fetch-mode") {
            Some(mode) => mode == "navigate",
            None => accepts_html(headers) && !headers.contains_key("x-requested-with"),
        };
        if navigates && !headers.contains_key(header::UPGRADE) {
            Self::Navigation
        } else {
            Self::Background
        }
    }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.as_bytes().windows(9).any(|w| w.eq_ignore_ascii_case(b"text/html")))
}
