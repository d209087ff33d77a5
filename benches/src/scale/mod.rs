//! What 10⁸ sessions and 10⁶ requests a second take: the tables of `src/docs/scale.md`, computed from the
//! figures in `measured.toml`.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml -- scale            # prints them
//! cargo run --release --manifest-path benches/Cargo.toml -- scale --write    # puts them into the page
//! cargo run --release --manifest-path benches/Cargo.toml -- scale --check    # fails if the page has others
//! ```

mod events;
mod figures;
mod model;
mod postgres;
mod simulation;
mod tables;
mod text;

use std::process::ExitCode;

use self::figures::Figures;
use crate::page::{NamedTable, Page};

pub fn run(options: &[&str]) -> ExitCode {
    PAGE.run(options, || all(&Figures::read()))
}

const PAGE: Page = Page {
    path: concat!(env!("CARGO_MANIFEST_DIR"), "/../src/docs/scale.md"),
    word: "scale",
    command: "scale",
};

fn all(figures: &Figures) -> Vec<NamedTable> {
    [tables::tables(figures), postgres::tables(figures), events::tables(figures)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_tables_that_are_computed() {
        let differing = PAGE.differing(&all(&Figures::read()));
        assert!(differing.is_empty(), "renew them with `scale --write`: {differing:?}");
    }
}
