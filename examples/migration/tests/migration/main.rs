//! Each app before and after its migration, as a person in a real browser meets it, and the page that
//! shows what changes in between.
//!
//! The browser is Chromium with its driver. Where these are missing its tests are skipped, and say so on
//! the standard error, unless `CURFEW_REQUIRE_BROWSER` is 1.
#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod app;
mod cookie_store;
mod deploys;
mod guide;
mod sign_out;
mod story;

// What drives the browser elsewhere in the repository. There is more of it than is needed here.
#[allow(dead_code)]
#[path = "../../../../tests/browser/browser.rs"]
mod browser;
#[allow(dead_code)]
#[path = "../../../../tests/browser/page.rs"]
mod page;

use std::env;
use std::io::Write as _;

use self::browser::Browser;

/// Without a browser on this machine it says that this test is skipped.
fn has_browser(test: &str) -> bool {
    let Err(missing) = Browser::is_installed() else {
        return true;
    };
    assert_ne!(env::var("CURFEW_REQUIRE_BROWSER").as_deref(), Ok("1"), "{test}: {missing}");
    // Not through the macro, whose output is captured.
    let _ = std::io::stderr().write_all(format!("{test}: skipped: {missing}\n").as_bytes());
    false
}
