//! The one build of all mutants, and what the compiler says of those that it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

use crate::rooms::FEATURES;
use crate::tree::Files;

/// A program of tests: those within the crate, or the stories.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// The tests within the crate, and the stories, as cargo chooses them.
pub(crate) const WITHIN: &[&str] = &["--lib"];
pub(crate) const STORIES: &[&str] = &["--test", "it"];

pub(crate) enum Built {
    Programs(Vec<Program>),
    Refused(Refused),
}

/// What must change before it can be built.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    pub(crate) mutants: BTreeSet<u32>,
    /// Functions that the compiler has to call.
    pub(crate) constant: BTreeSet<String>,
    /// Errors of which nobody knows the mutant.
    pub(crate) unknown: Vec<String>,
}

/// Builds these tests in a folder with these files.
pub(crate) fn build(
    folder: &Path,
    target: &Path,
    files: &Files,
    tests: &[&str],
) -> anyhow::Result<Built> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--no-run", "--quiet", "--locked", "--message-format=json"]);
    cargo.args(["-p", "tower-curfew", "--no-default-features"]).args(tests);
    cargo.args(["--features", &FEATURES.join(",")]).current_dir(folder);
    // What a mutant leaves unused is no matter.
    cargo.env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", "--cap-lints=allow");
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "none").stderr(Stdio::inherit());
    // What cargo says of this program. Build scripts would take it for a change, and run anew.
    for (name, _) in env::vars_os() {
        let of_this_one = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];
        if name.to_str().is_some_and(|name| of_this_one.iter().any(|it| name.starts_with(it))) {
            cargo.env_remove(name);
        }
    }
    let output = cargo.output().context("cargo cannot be started")?;
    let messages = String::from_utf8(output.stdout)?;
    let messages = messages.lines().map(serde_json::from_str::<Value>);
    let messages = messages.collect::<Result<Vec<_>, _>>()?;
    if output.status.success() {
        let programs = messages.iter().filter_map(program).collect::<Vec<_>>();
        return Ok(Built::Programs(programs));
    }
    let places = places(files);
    let mut refused = Refused::default();
    let errors = messages.iter().filter(|message| message["message"]["level"] == "error");
    for error in errors.map(|message| &message["message"]) {
        if !error["spans"].as_array().is_some_and(|spans| spans.is_empty()) {
            refused.note(error, &places);
        }
    }
    Ok(Built::Refused(refused))
}

fn program(message: &Value) -> Option<Program> {
    let path = message["executable"].as_str()?.into();
    Some(Program { name: message["target"]["name"].as_str()?.to_owned(), path })
}

/// The ranges of a file that belong to mutants, each with their numbers.
type Places = BTreeMap<String, Vec<(Range<usize>, Vec<u32>)>>;

fn places(files: &Files) -> Places {
    let sources = files.iter().filter(|(path, _)| path.starts_with("src/"));
    let text = |(path, text): (&String, &Vec<u8>)| {
        (path.clone(), of_mutants(&String::from_utf8_lossy(text)))
    };
    sources.map(text).collect()
}

fn of_mutants(text: &str) -> Vec<(Range<usize>, Vec<u32>)> {
    let mut found = Vec::new();
    let mut open = Vec::new();
    for (at, _) in text.match_indices("/*") {
        let inner = text[at + 2..].split("*/").next().unwrap_or_default();
        if let Some(numbers) = inner.strip_prefix('+') {
            let numbers = numbers.split(',').filter_map(|number| number.parse().ok());
            open.push((at, numbers.collect::<Vec<u32>>()));
        } else if inner == "-"
            && let Some((start, numbers)) = open.pop()
        {
            found.push((start..at, numbers));
        }
    }
    found
}

impl Refused {
    fn note(&mut self, error: &Value, places: &Places) {
        let message = error["message"].as_str().unwrap_or_default();
        if error["code"]["code"] == "E0015"
            && let Some(function) = message.split('`').nth(1)
        {
            self.constant.insert(function_name(function));
            return;
        }
        let spans = error["spans"].as_array().into_iter().flatten().map(in_sources);
        let (first, others): (Vec<_>, Vec<_>) = spans.partition(|span| span["is_primary"] == true);
        let around = |spans: &[&Value]| spans.iter().find_map(|span| innermost(span, places));
        match around(&first).or_else(|| around(&others)).or_else(|| within(&first, places)) {
            Some(numbers) => self.mutants.extend(numbers),
            None => {
                let rendered = error["rendered"].as_str().unwrap_or(message);
                self.unknown.push(rendered.to_owned());
            }
        }
    }
}

/// The type and the name, or the name of a function without a type.
fn function_name(path: &str) -> String {
    let path = path.split('<').next().unwrap_or(path).trim_end_matches("::");
    let words = path.split("::").collect::<Vec<_>>();
    match words[..] {
        [.., of, name] if of.starts_with(char::is_uppercase) => format!("{of}::{name}"),
        _ => words.last().copied().unwrap_or_default().to_owned(),
    }
}

/// Where a macro was called, if the place is in the macro.
fn in_sources(span: &Value) -> &Value {
    let mut span = span;
    while !span["expansion"].is_null() {
        span = &span["expansion"]["span"];
    }
    span
}

fn bytes(span: &Value) -> Option<(&str, Range<usize>)> {
    let at = |name: &str| usize::try_from(span[name].as_u64()?).ok();
    Some((span["file_name"].as_str()?, at("byte_start")?..at("byte_end")?))
}

fn innermost(span: &Value, places: &Places) -> Option<Vec<u32>> {
    let (file, bytes) = bytes(span)?;
    let around = places
        .get(file)?
        .iter()
        .filter(|(range, _)| range.start <= bytes.start && bytes.end <= range.end);
    around.min_by_key(|(range, _)| range.len()).map(|(_, numbers)| numbers.clone())
}

/// The mutants of a whole place that the compiler refuses.
fn within(spans: &[&Value], places: &Places) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for (file, bytes) in spans.iter().filter_map(|span| bytes(span)) {
        let inside = places
            .get(file)?
            .iter()
            .filter(|(range, _)| bytes.start <= range.start && range.end <= bytes.end);
        numbers.extend(inside.flat_map(|(_, numbers)| numbers.clone()));
    }
    (!numbers.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_that_of_the_innermost_mutant_around_it() {
        let files = Files::from([(
            "src/a.rs".to_owned(),
            b"/*+1,2*/(if /*+1*/a/*-*/ else { b })/*-*/ c".to_vec(),
        )]);
        let places = places(&files);
        for (bytes, numbers) in [(18, Some(vec![1])), (32, Some(vec![1, 2])), (42, None)] {
            let span = serde_json::json!({
                "file_name": "src/a.rs", "byte_start": bytes, "byte_end": bytes + 1,
            });
            assert_eq!(innermost(&span, &places), numbers, "{bytes}");
        }
    }

    #[test]
    fn functions_are_named_by_their_type() {
        for (path, name) in [
            ("limits::Limits::absolute", "Limits::absolute"),
            ("encoding::fact", "fact"),
            ("counted::<16>", "counted"),
        ] {
            assert_eq!(function_name(path), name);
        }
    }
}
