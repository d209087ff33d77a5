//! What tower-curfew and its peers do in the same situations, as a table of the README. Each check runs an
//! app over each library, with the settings that serve the check best, and the cell says what happened.
//! A cell is written by hand only where a library does not offer something. A comment beside it gives the
//! reason.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml -- behavior            # prints it
//! cargo run --release --manifest-path benches/Cargo.toml -- behavior --write    # puts it into the README
//! cargo run --release --manifest-path benches/Cargo.toml -- behavior --check    # fails if it has another one
//! ```
//!
//! It takes half a minute, most of it for timeouts of a second or two.

mod axess;
mod axum_login;
mod axum_session;
mod browser;
mod checks;
mod meter;
mod ours;
mod table;
mod tower_sessions;

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::page::Page;

pub fn run(options: &[&str]) -> ExitCode {
    PAGE.run(options, || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let columns = runtime.block_on(async {
            [
                ours::column().await,
                tower_sessions::column().await,
                axum_login::column().await,
                axum_session::column().await,
                axess::column().await,
            ]
        });
        vec![("behavior", table::of(&columns))]
    })
}

const PAGE: Page = Page {
    path: concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"),
    word: "compared",
    command: "behavior",
};
