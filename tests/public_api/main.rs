//! The public API as a file, so that a review sees each change of it, and a bound on its size, so
//! that it stays small enough to be learned.

#![expect(clippy::unwrap_used, reason = "what cannot be read or run has failed the test")]

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use public_api::{Builder, PublicApi};

/// The most public paths: modules (pages of the docs too), types, traits, functions, macros and
/// constants. Methods, fields and variants are none.
const MAX_PATHS: usize = 139;

/// The most of them directly at the root, modules not counted.
const MAX_AT_THE_ROOT: usize = 48;

#[test]
fn the_public_api_is_small_and_what_the_file_says() {
    let lines = lines(&public_api());
    let paths = paths(&lines);
    let at_the_root = at_the_root(&paths);
    println!("public paths: {} of at most {MAX_PATHS}", paths.len());
    println!("at the root:  {} of at most {MAX_AT_THE_ROOT}", at_the_root.len());
    compare("tests/public-api.txt", &lines);
    assert!(paths.len() <= MAX_PATHS, "too many public paths:\n{}", list(&paths));
    assert!(at_the_root.len() <= MAX_AT_THE_ROOT, "too many at the root:\n{}", list(&at_the_root));
}

/// Fails with the lines that differ, or writes the file if that is asked for.
fn compare(file: &str, lines: &[String]) {
    let path = repository().join(file);
    if env::var("UPDATE").is_ok_and(|update| update == "1") {
        return fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    let kept = fs::read_to_string(path).unwrap();
    let kept = kept.lines().collect::<Vec<_>>();
    if lines == kept {
        return;
    }
    let gone = kept.iter().filter(|kept| !lines.iter().any(|line| line == *kept));
    let new = lines.iter().filter(|line| !kept.contains(&line.as_str()));
    let changes = gone.map(|line| format!("- {line}")).chain(new.map(|line| format!("+ {line}")));
    let changes = changes.collect::<Vec<_>>().join("\n");
    panic!("the public API is not that of {file}; UPDATE=1 rewrites it:\n{changes}");
}

// --- what is public ------------------------------------------------------------------------------

/// Each public item with its signature, a line each. Which traits a type implements is listed, and
/// not what follows from that.
fn lines(api: &PublicApi) -> Vec<String> {
    let texts = api.items().map(|item| (item.id(), item.to_string()));
    let parents = texts.collect::<HashMap<_, _>>();
    let mut places = HashMap::new();
    let mut lines = Vec::new();
    for item in api.items() {
        let line = item.to_string();
        let parent = item.parent_id().and_then(|parent| parents.get(&parent));
        if line.contains("fn ") && parent.is_some_and(|parent| implements_a_trait(parent)) {
            continue;
        }
        if let Some(path) = path(&line) {
            let first = places.entry(item.id()).or_insert_with(|| path.clone());
            assert_eq!(*first, path, "one item has two public paths");
        }
        lines.push(line);
    }
    // An implementation stands beside its type and beside its trait.
    let mut seen = HashSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

fn implements_a_trait(line: &str) -> bool {
    line.starts_with("impl") && line.contains(" for ")
}

/// The path of an item, without generics; `None` for an implementation.
fn path(line: &str) -> Option<String> {
    if line.starts_with("impl") {
        return None;
    }
    let mut rest = &line[line.find("tower_curfew")?..];
    let mut path = String::new();
    loop {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c)));
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        path += part;
        match generics(after).and_then(|length| after.get(length..)) {
            Some(item) if item.starts_with("::") => rest = item,
            _ => return Some(path.trim_end_matches(':').to_owned()),
        }
    }
}

/// How long the generics are that a text begins with.
fn generics(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (0 < at).then_some(at + 1);
        }
        before = c;
    }
    None
}

/// The items right within modules, by their lines.
fn paths(lines: &[String]) -> Vec<&str> {
    let modules = lines.iter().filter(|line| is_module(line)).filter_map(|line| path(line));
    let modules = modules.collect::<HashSet<_>>();
    let within_one = |line: &&str| {
        let path = path(line).unwrap_or_default();
        path.rsplit_once("::").is_some_and(|(parent, _)| modules.contains(parent))
    };
    lines.iter().map(String::as_str).filter(within_one).collect()
}

fn at_the_root<'a>(paths: &[&'a str]) -> Vec<&'a str> {
    let at_the_root = |line: &&str| path(line).is_some_and(|path| path.matches("::").count() == 1);
    paths.iter().copied().filter(at_the_root).filter(|line| !is_module(line)).collect()
}

fn is_module(line: &str) -> bool {
    line.starts_with("pub mod ")
}

fn list(lines: &[&str]) -> String {
    lines.iter().filter_map(|line| path(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_counts_as_a_path() {
    let lines = [
        "pub mod tower_curfew",
        "pub use tower_curfew::time",
        "pub mod tower_curfew::store",
        "#[non_exhaustive] pub enum tower_curfew::store::Kind<'a>",
        "pub tower_curfew::store::Kind::Memory",
        "impl<'a> tower_curfew::store::Kind<'a>",
        "pub fn tower_curfew::store::Kind<'a>::name(&'a self) -> core::option::Option<&'a str>",
        "pub fn tower_curfew::store::Kind<F: Fn() -> bool>::Key<'a>::name(&self)",
        "pub const tower_curfew::store::Kind::FIRST: Self",
        "impl core::clone::Clone for tower_curfew::store::Kind<'_>",
        "pub const tower_curfew::store::MAX: usize",
        "pub async fn tower_curfew::store::open<S: tower_curfew::Store>(S)",
        "pub macro tower_curfew::store_tests!",
    ];
    let lines = lines.map(str::to_owned);
    let paths = paths(&lines);
    let expected = "tower_curfew::time\ntower_curfew::store\ntower_curfew::store::Kind\n\
                    tower_curfew::store::MAX\ntower_curfew::store::open\ntower_curfew::store_tests";
    assert_eq!(list(&paths), expected);
    assert_eq!(list(&at_the_root(&paths)), "tower_curfew::time\ntower_curfew::store_tests");
}

// --- how it is found out -------------------------------------------------------------------------

fn public_api() -> PublicApi {
    let api = Builder::from_rustdoc_json(rustdoc_json())
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build();
    api.expect("the crate public-api can read what this version of rustdoc writes")
}

fn rustdoc_json() -> PathBuf {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap());
    cargo
        .current_dir(repository())
        .args(["rustdoc", "--locked", "--quiet", "--lib", "-p", "tower-curfew", "--all-features"])
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .env("RUSTDOC", repository().join("tests/public_api/rustdoc"));
    // What cargo says of this test. Build scripts would take it for a change, and run anew.
    for (name, _) in env::vars_os() {
        let of_this_test = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];
        if name.to_str().is_some_and(|name| of_this_test.iter().any(|it| name.starts_with(it))) {
            cargo.env_remove(name);
        }
    }
    assert!(cargo.status().unwrap().success(), "rustdoc failed");
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    repository().join(target).join("doc/tower_curfew.json")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
