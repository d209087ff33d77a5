//! The examples `axum`, `console` and `live`, as a person in a real browser meets them.
//!
//! They need Chromium and its driver. Where these are missing the tests are skipped, unless
//! `CURFEW_REQUIRE_BROWSER` is 1. The tour of the console needs more for some of its parts, see
//! `tour.rs`. What is skipped says so on the standard error.
//!
//! `UPDATE=1 cargo test -p tower-curfew-browser pictures moving` makes the pictures in
//! `examples/console/pictures` anew.
#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod audit;
mod browser;
mod live;
mod moving;
mod page;
mod pictures;
mod place;
mod server;
mod sign_in;
mod tour;

use std::env;
use std::io::Write as _;

use self::browser::Browser;

/// Without a browser on this machine it says that this test is skipped.
fn has_browser(test: &str) -> bool {
    let installed = Browser::is_installed();
    if let Err(missing) = &installed {
        skipped(test, missing, "CURFEW_REQUIRE_BROWSER");
    }
    installed.is_ok()
}

/// Says that something is not done, and why. It fails instead if this variable is 1.
fn skipped(what: &str, why: &str, required: &str) {
    assert_ne!(env::var(required).as_deref(), Ok("1"), "{what}: {why}");
    // Not through the macro, whose output is captured.
    let _ = std::io::stderr().write_all(format!("{what}: skipped: {why}\n").as_bytes());
}
