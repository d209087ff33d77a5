//! Stories through the whole router, and contracts over every store.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

#[cfg(feature = "axum")]
mod activity;
#[cfg(feature = "axum")]
mod caps;
#[cfg(feature = "axum")]
mod carriers;
#[cfg(feature = "axum")]
mod configuration;
#[cfg(feature = "axum")]
mod cookies;
#[cfg(feature = "axum")]
mod failure;
#[cfg(feature = "axum")]
mod gone;
#[cfg(feature = "axum")]
mod handlers;
#[cfg(feature = "axum")]
mod housekeeping;
#[cfg(feature = "axum")]
mod limits;
#[cfg(feature = "axum")]
mod lists;
#[cfg(feature = "axum")]
mod members;
#[cfg(feature = "axum")]
mod orgs;
#[cfg(feature = "axum")]
mod races;
#[cfg(feature = "axum")]
mod reasons;
#[cfg(feature = "axum")]
mod redirects;
#[cfg(feature = "axum")]
mod refresh;
#[cfg(feature = "axum")]
mod rejections;
#[cfg(feature = "axum")]
mod secrecy;
#[cfg(feature = "axum")]
mod services;
#[cfg(feature = "axum")]
#[expect(unreachable_pub, reason = "what the stories may use")]
#[expect(clippy::print_stderr, reason = "a story that fails says over which store")]
mod support;
mod tidy;
