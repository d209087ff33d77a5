//! The rooms whose code is mutated: what computes, and neither waits nor asks anything.

/// A room, and what the paths of its files begin with.
pub(crate) const ROOMS: [(&str, &str); 8] = [
    ("judge", "src/judge/"),
    ("limits", "src/limits.rs"),
    ("policy", "src/policy/"),
    ("session", "src/session/"),
    ("token", "src/token/"),
    ("cookie", "src/cookie/"),
    ("gate", "src/service/gate.rs"),
    ("request", "src/request/"),
];

/// With all of them, each function of the rooms is compiled. The stories run over memory alone.
pub(crate) const FEATURES: &[&str] = &["axum", "conformance", "metrics", "near", "serde"];

pub(crate) fn room(file: &str) -> Option<&'static str> {
    let is_tests = file.ends_with("/tests.rs");
    let (room, _) = ROOMS.iter().find(|(_, begin)| file.starts_with(begin) && !is_tests)?;
    Some(room)
}
