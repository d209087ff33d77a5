//! Every target over its seeds and over what was found before: with stable Rust, and no fuzzer.
#![expect(clippy::unwrap_used, reason = "in a test it is an assertion")]
#![expect(clippy::print_stdout, reason = "a test that fails says at which input")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use targets::{TARGETS, Target};

/// What is in a folder of a target, which need not be there, by name.
fn inputs(kind: &str, target: &Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target.name);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths = entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    paths.sort();
    paths
}

/// Tries an input. If it fails, the last name that is printed is its own.
fn try_out(target: &Target, path: &Path) -> &'static str {
    print!("{}: ", path.display());
    let side = (target.run)(&fs::read(path).unwrap());
    println!("{side}");
    side
}

#[test]
fn seeds_reach_every_side_of_their_target() {
    for target in &TARGETS {
        let seeds = inputs("seeds", target);
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        let reached = seeds.iter().map(|seed| try_out(target, seed)).collect::<BTreeSet<_>>();
        let missed = target.sides.iter().filter(|side| !reached.contains(*side));
        let missed = missed.collect::<Vec<_>>();
        assert!(missed.is_empty(), "no seed of {} reaches {missed:?}", target.name);
    }
}

#[test]
fn what_was_found_is_not_found_again() {
    for target in &TARGETS {
        for finding in inputs("findings", target) {
            try_out(target, &finding);
        }
    }
}

#[test]
fn every_folder_is_named_after_a_target() {
    for kind in ["seeds", "findings"] {
        let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(kind));
        for folder in folders.into_iter().flatten() {
            let name = folder.unwrap().file_name();
            assert!(TARGETS.iter().any(|target| name == target.name), "{kind}/{name:?}");
        }
    }
}
