//! Every link of the pages leads somewhere, as rustdoc shows them and as the repository does.
//!
//! A page links by reference: `[the store][stores.md#redis]`, ``[`Session`][Session]``. What a reference is for
//! rustdoc stands in `links.md`, which comes before each page there. What it is in the repository stands at
//! the end of the page, where rustdoc overlooks it, since the first definition counts. `UPDATE=1` writes these.
//!
//! The documentation must be there: `cargo doc --no-deps --all-features -p tower-curfew`.

#![expect(clippy::unwrap_used, reason = "what cannot be read has failed the test")]

mod html;
mod markdown;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use self::html::Html;
use self::markdown::Markdown;

/// Where the documentation of the latest release is.
const HOSTED: &str = "https://docs.rs/tower-curfew/latest/tower_curfew/";

/// What comes before the definitions for the repository.
const DEFINITIONS: &str =
    "<!-- For readers in the repository. UPDATE=1 cargo test -p tower-curfew-docs writes them. -->";

/// What a block of code may be. Programs are compiled, the rest is marked as what it is.
const LANGUAGES: &[&str] = &[
    "diff",
    "html",
    "ini",
    "js",
    "json",
    "rust",
    "rust,compile_fail",
    "rust,no_run",
    "sh",
    "sql",
    "text",
    "toml",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn documentation() -> Html {
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    Html::read(&repository().join(target).join("doc"))
}

/// All pages of the project, by their paths in the repository.
fn pages() -> Vec<Markdown> {
    let mut paths = fs::read_dir(repository())
        .unwrap()
        .chain(fs::read_dir(repository().join("src/docs")).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect::<Vec<_>>();
    paths.sort();
    paths.iter().map(|path| Markdown::read(path)).collect()
}

/// What each label means for rustdoc.
fn labels() -> BTreeMap<String, String> {
    let links = fs::read_to_string(repository().join("src/docs/links.md")).unwrap();
    let definition = |line: &str| {
        let (label, path) = line.strip_prefix('[').unwrap().split_once("]: ").unwrap();
        (label.to_owned(), path.to_owned())
    };
    links.lines().map(definition).collect()
}

fn refuse(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn links_lead_somewhere_in_the_documentation() {
    let documentation = documentation();
    refuse(&documentation.dead_links());
    // They would leave the documentation that somebody reads for the one of another version.
    refuse(&documentation.links_to(HOSTED));
}

#[test]
fn links_lead_somewhere_in_the_repository() {
    let documentation = documentation();
    let pages = pages();
    let mut found = Vec::new();
    for page in &pages {
        for link in page.links() {
            let is_there = if let Some(hosted) = link.strip_prefix(HOSTED) {
                documentation.has(hosted)
            } else if link.starts_with("https://") || link.starts_with("http://localhost") {
                true // Nothing here may ask the network.
            } else {
                page.leads_to(&link, &pages)
            };
            if !is_there {
                found.push(format!("{}: {link} leads nowhere", page.name()));
            }
        }
        found.extend(
            page.undefined().map(|label| format!("{}: nothing defines [{label}]", page.name())),
        );
    }
    refuse(&found);
}

#[test]
fn pages_define_for_the_repository_what_they_refer_to() {
    let documentation = documentation();
    let labels = labels();
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    for page in pages().iter().filter(|page| page.is_in_documentation()) {
        let wanted = page.references(&labels);
        used.extend(wanted.iter().cloned());
        let definition = |label: &String| {
            let to = match labels[label].strip_prefix("crate::docs::") {
                Some(_) => label.clone(),
                None => format!("{HOSTED}{}", documentation.page_of(&labels[label])),
            };
            format!("[{label}]: {to}\n")
        };
        let definitions = wanted.iter().map(definition).collect::<String>();
        if !page.ends_with(DEFINITIONS, &definitions) {
            if env::var("UPDATE").is_ok_and(|update| update == "1") {
                page.write(DEFINITIONS, &definitions);
            } else {
                found.push(format!(
                    "{}: its definitions are others; UPDATE=1 writes them",
                    page.name()
                ));
            }
        }
    }
    found.extend(
        labels
            .keys()
            .filter(|label| !used.contains(*label))
            .map(|label| format!("src/docs/links.md: no page refers to [{label}]")),
    );
    refuse(&found);
}

/// Nobody writes a figure by hand.
#[test]
fn figures_in_the_readme_were_measured() {
    let measured = fs::read_to_string(repository().join("src/docs/measured.md")).unwrap();
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, figures) = readme.split_once("<!-- measured: -->").expect("the README has figures");
    let (figures, _) = figures.split_once("<!-- end -->").expect("the figures have an end");
    let rows = figures.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>();
    assert!(rows.len() > 10, "these are not the figures");
    let printed = |row: &str| measured.lines().any(|line| line == row);
    let others = rows.iter().filter(|row| !printed(row)).map(|row| format!("not measured: {row}"));
    refuse(&others.collect::<Vec<_>>());
}

#[test]
fn code_is_compiled_or_marked_as_what_it_is() {
    let mut found = Vec::new();
    for page in pages() {
        for language in page.languages() {
            if !LANGUAGES.contains(&&language[..]) {
                found.push(format!("{}: no block of code is `{language}`", page.name()));
            }
        }
    }
    refuse(&found);
}
