//! How a layer is set up, which it shares with all its services.

use http::{Method, Request};

use crate::curfew::{Activity, Curfew};
use crate::request::{is_plain_to_all, original_uri};

#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) curfew: Curfew,
    pub(super) mode: Mode,
    pub(super) open: Vec<String>,
    pub(super) passive: Vec<String>,
}

/// Whom the layer turns away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    EndedNavigations,
    AllButLive,
    Nobody,
}

impl Config {
    /// Whether a request always passes.
    pub(super) fn is_open<B>(&self, request: &Request<B>) -> bool {
        is_among(&self.open, original_uri(request.uri(), request.extensions()).path())
    }

    pub(super) fn activity<B>(&self, request: &Request<B>) -> Activity {
        let path = original_uri(request.uri(), request.extensions()).path();
        let asks_how_long =
            path.ends_with("/session") && matches!(*request.method(), Method::GET | Method::HEAD);
        if asks_how_long || is_among(&self.passive, path) {
            Activity::Passive
        } else {
            Activity::Active
        }
    }
}

/// The patterns of paths that an app gives.
pub(super) fn patterns(paths: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let checked = |path: String| {
        let start = path.strip_suffix("/*").unwrap_or(&path);
        let plain = is_plain_to_all(&path) && !start.contains(['?', '#', '*']);
        assert!(plain, "{path:?} is no path; write \"/about\" or \"/assets/*\"");
        path
    };
    paths.into_iter().map(|path| checked(path.into())).collect()
}

/// Whether one of the patterns means this path. One that others may read as another path is meant
/// by none.
fn is_among(patterns: &[String], path: &str) -> bool {
    let means = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == pattern,
    };
    patterns.iter().any(means) && is_plain_to_all(path)
}
