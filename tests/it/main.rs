//! Stories through the whole router, and contracts over every store.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod conformance;
#[cfg(all(feature = "axum", any(feature = "sqlite", feature = "postgres", feature = "redis")))]
mod faults;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "redis"))]
#[allow(dead_code, reason = "which of them are used depends on the features")]
mod processes;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "axum")]
mod stories;
#[cfg(feature = "axum")]
#[expect(unreachable_pub, reason = "what the stories may use")]
#[expect(clippy::print_stderr, reason = "a story that fails says over which store")]
mod support;
mod tidy;
