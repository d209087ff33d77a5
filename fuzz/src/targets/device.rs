//! The name of a device: a user agent on the first line, and client hints on the next four.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderName, Request, header};
use tower_curfew::client::{NameDevice as _, WellKnown};
use tower_curfew::store::MemoryStore;

use super::header_values;
use crate::site::Site;

pub(crate) const SIDES: &[&str] = &["both halves", "one half", "unknown"];

const HEADERS: [HeaderName; 5] = [
    header::USER_AGENT,
    HeaderName::from_static("sec-ch-ua"),
    HeaderName::from_static("sec-ch-ua-platform"),
    HeaderName::from_static("sec-ch-ua-mobile"),
    HeaderName::from_static("sec-ch-ua-platform-version"),
];

static SITE: LazyLock<Site> = LazyLock::new(|| Site::new(MemoryStore::new()));

/// A name is short, can be seen, and can be put into any page. The user agent beside it is bounded.
pub(crate) fn target(data: &[u8]) -> &'static str {
    let mut request = Request::new(Body::empty());
    for (name, value) in HEADERS.into_iter().zip(header_values(data)) {
        request.headers_mut().insert(name, value);
    }
    let name = WellKnown.name_device(request.headers());
    let client = SITE.seen(request).0.client;
    assert_eq!(client.device.as_deref(), name.as_deref(), "what is kept is the name");
    if let Some(agent) = &client.agent {
        assert!((1..=512).contains(&agent.len()), "{agent:?}");
        assert!(!agent.contains(char::is_control), "{agent:?}");
        assert!(!agent.contains(['\u{202e}', '\u{2066}']), "{agent:?} reads as another one");
    }
    let Some(name) = name else { return "unknown" };
    assert!((1..=64).contains(&name.chars().count()), "{name:?}");
    assert_eq!(name.trim(), name);
    assert!(name.chars().all(is_plain), "{name:?}");
    assert!(name.contains(char::is_alphabetic), "{name:?}");
    if name.contains(" on ") { "both halves" } else { "one half" }
}

/// A character that shows, and has no meaning in HTML, in a URL or in a shell.
fn is_plain(c: char) -> bool {
    (c.is_alphanumeric() && !HANGUL_FILLERS.contains(&c)) || " -_.+".contains(c)
}

/// Unicode calls them letters, and nobody sees them.
const HANGUL_FILLERS: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];
