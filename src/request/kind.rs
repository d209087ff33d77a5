//! The kind of a request.

use http::HeaderMap;
use http::header;

use super::credentials::bears_token;

/// The kind of a request, which decides the form of a useful response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestKind {
    /// A browser that opened a page or sent a form. A redirect shows another page to the user.
    Navigation,
    /// An htmx request, which follows its own redirect header.
    Htmx,
    /// A client with a bearer token. It needs a status, never a page.
    Bearer,
    /// A script, or another client. It needs a status, never a page.
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
