//! The targets, and how most of them read their input.

pub(crate) mod address;
pub(crate) mod bearer;
pub(crate) mod cookie;
pub(crate) mod device;
pub(crate) mod json;
pub(crate) mod paths;
pub(crate) mod record;
pub(crate) mod return_to;
pub(crate) mod rules;

use axum::http::HeaderValue;

/// The lines of an input that can be the value of a header. A server refuses a request with others
/// before the crate sees it.
fn header_values(data: &[u8]) -> Vec<HeaderValue> {
    let lines = data.split(|&byte| byte == b'\n');
    lines.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect()
}
