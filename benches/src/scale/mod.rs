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

use std::fs;
use std::process::ExitCode;

use self::figures::Figures;

pub fn run(options: &[&str]) -> ExitCode {
    let tables = all(&Figures::read());
    match options {
        [] => tables.iter().for_each(|(name, table)| println!("{}", framed(name, table))),
        ["--write"] => write(&tables),
        ["--check"] => {
            let differing = differing(&tables);
            if !differing.is_empty() {
                let differing = differing.join(", ");
                eprintln!(
                    "other than what is computed: {differing}; renew them with `scale --write`"
                );
                return ExitCode::FAILURE;
            }
        }
        _ => {
            eprintln!("usage: scale [--write | --check]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Puts them into the page.
fn write(tables: &[NamedTable]) {
    let page = fs::read_to_string(PAGE).expect("the page is there");
    fs::write(PAGE, renewed(page, tables)).expect("the page can be written");
}

/// Which of them the page has in another form, or not at all.
fn differing(tables: &[NamedTable]) -> Vec<&'static str> {
    let page = fs::read_to_string(PAGE).expect("the page is there");
    let differs = |(name, table): &&NamedTable| !page.contains(&framed(name, table));
    tables.iter().filter(differs).map(|(name, _)| *name).collect()
}

/// A table in Markdown, and the name that it has on the page.
type NamedTable = (&'static str, String);

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/docs/scale.md");

fn all(figures: &Figures) -> Vec<NamedTable> {
    [tables::tables(figures), postgres::tables(figures), events::tables(figures)].concat()
}

fn framed(name: &str, table: &str) -> String {
    format!("{}\n\n{table}\n{END}\n", begin(name))
}

fn begin(name: &str) -> String {
    format!("<!-- scale: {name} -->")
}

const END: &str = "<!-- end -->";

fn renewed(mut page: String, tables: &[NamedTable]) -> String {
    for (name, table) in tables {
        let from =
            page.find(&begin(name)).unwrap_or_else(|| panic!("the page has no table {name}"));
        let length = page[from..].find(END).expect("each has an end") + END.len() + 1;
        page.replace_range(from..from + length, &framed(name, table));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_tables_that_are_computed() {
        let differing = differing(&all(&Figures::read()));
        assert!(differing.is_empty(), "renew them with `scale --write`: {differing:?}");
    }
}
