//! Sees that a request costs no more than it did: heap allocations, and instructions.
//!
//! ```text
//! cargo run --release -p tower-curfew-cost
//! ```
//!
//! Both are counted, not timed, so that a busy machine changes nothing. Instructions are those that
//! valgrind counts, as a ratio to a layer that does nothing, since compilers and libraries differ between
//! machines by more than we allow. What is counted is what a request more costs, without the start.

#![allow(clippy::print_stdout, reason = "what was counted")]

mod cases;

use std::env;
use std::hint::black_box;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::cases::Case;

/// What a request costs that comes with a living session, by case: heap allocations over those of bare
/// axum, and instructions for each one of a layer that does nothing. After a change that is worth it,
/// write here what this prints.
const COMMITTED: [(Case, u64, f64); 3] =
    [(Case::Plain, 6, 2.672), (Case::Known, 6, 2.691), (Case::UnderPolicy, 6, 2.751)];

/// By how much more or less instructions may be than is written here.
const TOLERANCE: f64 = 0.05;

/// Valgrind counts two runs, and what the longer one takes more is that of the requests it makes more.
const REQUESTS: [u64; 2] = [200, 1200];

fn main() -> anyhow::Result<()> {
    let arguments = env::args().skip(1).collect::<Vec<_>>();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => check(),
        [case, requests] => {
            serve(Case::named(case).context("there is no such case")?, requests.parse()?);
            Ok(())
        }
        _ => bail!("usage: tower-curfew-cost [CASE REQUESTS]"),
    }
}

fn check() -> anyhow::Result<()> {
    let (bare, nothing) = (allocations(Case::Bare), instructions(Case::Nothing)?);
    println!("bare axum: {bare} heap allocations");
    println!("a layer that does nothing: {nothing} instructions");
    let mut has_changed = false;
    for (case, allocations_before, ratio_before) in COMMITTED {
        let over_bare = allocations(case) - bare;
        let counted = instructions(case)?;
        let ratio = counted as f64 / nothing as f64;
        println!(
            "{}: {over_bare} heap allocations over bare axum; {counted} instructions, {ratio:.3} of nothing's",
            case.name()
        );
        let is_off = (ratio / ratio_before - 1.0).abs() > TOLERANCE;
        if over_bare != allocations_before || is_off {
            has_changed = true;
            println!("  it was {allocations_before} and {ratio_before:.3}");
        }
    }
    ensure!(
        !has_changed,
        "a request does not cost what it did: find out why, or write the new figures to tests/cost"
    );
    Ok(())
}

fn serve(case: Case, requests: u64) {
    let mut served = case.served();
    for _ in 0..requests {
        served.once();
    }
}

fn allocations(case: Case) -> u64 {
    let mut served = case.served();
    // What is only made once is none of a request's.
    served.once();
    let request = served.request();
    allocation_counter::measure(|| drop(black_box(served.answer(request)))).count_total
}

/// Of one request more.
fn instructions(case: Case) -> anyhow::Result<u64> {
    let [few, many] = REQUESTS;
    Ok((counted(case, many)? - counted(case, few)?) / (many - few))
}

fn counted(case: Case, requests: u64) -> anyhow::Result<u64> {
    let file = tempfile::NamedTempFile::new()?;
    let run = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--quiet"])
        .arg(format!("--cachegrind-out-file={}", file.path().display()))
        .arg(env::current_exe()?)
        .args([case.name(), &requests.to_string()])
        .output()
        .context("valgrind cannot be started: install it (Debian: valgrind)")?;
    ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let counts = std::fs::read_to_string(file.path())?;
    let summary = counts.lines().find_map(|line| line.strip_prefix("summary:"));
    let summary = summary.and_then(|summary| summary.split_whitespace().next());
    Ok(summary.context("valgrind counted nothing")?.parse()?)
}
