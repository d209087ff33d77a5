//! Looks for code that no test would miss: makes small mistakes in the rooms that compute, and sees that a
//! test fails with each.
//!
//! ```text
//! cargo run -p tower-curfew-mutants                    # all rooms; ten minutes or more
//! cargo run -p tower-curfew-mutants -- --constant      # what has no switch, too; half an hour or more
//! cargo run -p tower-curfew-mutants -- --room judge    # one of them
//! cargo run -p tower-curfew-mutants -- --open          # what was open the last time, after a new test
//! cargo run -p tower-curfew-mutants -- --brief         # a first look, with the fastest tests
//! cargo run -p tower-curfew-mutants -- --list --room judge
//! cargo run -p tower-curfew-mutants -- --only 17       # one of them, by its number in the list
//! ```
//!
//! All mistakes are in one build, each behind a switch that an environment variable turns on: a build of its
//! own for each would take days. What no switch can change, because the compiler computes it, is counted
//! as constant. What the compiler refuses is found out by building, and counted too.
//!
//! A mutant that no test can find is listed in `equivalent.toml`, with the reason. The program fails if
//! another one is open, or if one of those is found after all or is not there any more.

#![allow(clippy::print_stdout, reason = "what was found")]

mod cfg;
mod compile;
mod constants;
mod edit;
mod finder;
mod ledger;
mod mutations;
mod report;
mod rooms;
mod shapes;
mod sheet;
mod suite;
mod tables;
mod tree;
mod trial;
mod values;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Parser;

use crate::compile::{Built, Program, STORIES, WITHIN};
use crate::ledger::Results;
use crate::report::report;
use crate::sheet::{Builds, Key, Mutant, State};
use crate::suite::{Ended, Suite, Test};
use crate::trial::{Outcome, trial};

#[derive(Parser)]
#[command(about)]
struct Options {
    /// Looks at one room only.
    #[arg(long)]
    room: Option<String>,
    /// Tries one mutant only, again.
    #[arg(long)]
    only: Option<u32>,
    /// Tries only what was open the last time.
    #[arg(long)]
    open: bool,
    /// Runs only the fastest tests, for some seconds a mutant. What is open then may still be found.
    #[arg(long)]
    brief: bool,
    /// Tries those that have no switch, each with a build of its own.
    #[arg(long)]
    constant: bool,
    /// Lists the mutants, and tries none.
    #[arg(long)]
    list: bool,
}

/// How long the tests of one mutant take in a brief run, at most.
const BRIEF: Duration = Duration::from_secs(4);

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..").canonicalize()?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let scratch = target.join("mutants");
    let copy = scratch.join("copy");
    std::fs::create_dir_all(&copy)?;
    let mut results = Results::read(&scratch.join("results.json"))?;

    let fingerprint = tree::fingerprint(&tree::files(&root)?);
    let place = Place { root: &root, copy: &copy, target: &scratch.join("build") };
    let (mutants, programs) = place.built(&mut results)?;
    let was_open = |key: &Key| matches!(results.last(key), Some(Outcome::Open { .. }));
    let chosen = mutants.iter().filter(|mutant| {
        options.room.as_ref().is_none_or(|room| mutant.room == room)
            && options.only.is_none_or(|only| mutant.number == only)
            && (!options.open || was_open(&mutant.key))
    });
    let chosen = chosen.collect::<Vec<_>>();
    if options.list {
        chosen.iter().for_each(|mutant| println!("{}", line(mutant)));
        return Ok(ExitCode::SUCCESS);
    }

    let suite = Suite { folder: &copy, scratch: &scratch };
    let tests = suite.recorded(&programs)?;
    println!("{} tests, {} mutants", tests.len(), chosen.len());
    let at_most = if options.brief { BRIEF } else { Duration::MAX };
    let began = Instant::now();
    for mutant in &chosen {
        let known = results.outcome(&mutant.key, fingerprint);
        let is_known = known.is_some_and(|outcome| options.brief || outcome.is_final());
        if is_known && options.only.is_none() {
            continue;
        }
        let outcome = match mutant.state {
            State::Switched => {
                let found_by = results.last(&mutant.key).and_then(Outcome::by).map(str::to_owned);
                trial(&suite, &tests, mutant.number, found_by.as_deref(), at_most)?
            }
            State::Constant if options.constant => {
                place.alone(mutant, &results.builds, &suite, &tests)?
            }
            State::Constant | State::Uncompilable => continue,
        };
        println!("{:>6} s  {outcome:?}  {}", began.elapsed().as_secs(), line(mutant));
        results.note(&mutant.key, fingerprint, outcome);
        results.write()?;
    }

    let tried =
        chosen.iter().map(|mutant| (*mutant, results.outcome(&mutant.key, fingerprint).cloned()));
    let tried = tried.collect::<Vec<_>>();
    let is_whole = options.room.is_none() && options.only.is_none() && !options.open;
    let report = report(&tried, &ledger::equivalents(&here.join("equivalent.toml"))?, is_whole);
    println!("{}", report.text);
    Ok(if report.is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the mutants are built.
struct Place<'a> {
    root: &'a Path,
    copy: &'a Path,
    target: &'a Path,
}

impl Place<'_> {
    /// Puts the mutants into the copy, and builds it without those that the compiler refuses.
    fn built(&self, results: &mut Results) -> anyhow::Result<(Vec<Mutant>, Vec<Program>)> {
        let both = [WITHIN, STORIES].concat();
        loop {
            let mut files = tree::files(self.root)?;
            let mutants = tree::mutate(&mut files, &results.builds, None)?;
            tree::write(self.copy, &files)?;
            let refused = match compile::build(self.copy, self.target, &files, &both)? {
                Built::Programs(programs) => return Ok((mutants, programs)),
                Built::Refused(refused) => refused,
            };
            if refused.mutants.is_empty() && refused.constant.is_empty() {
                bail!("it cannot be built:\n{}", refused.unknown.join("\n"));
            }
            println!(
                "the compiler refuses {} mutants, and calls {:?}; {} errors are unclear",
                refused.mutants.len(),
                refused.constant,
                refused.unknown.len()
            );
            let builds = &mut results.builds;
            builds.constant.extend(refused.constant);
            let keys = mutants.iter().filter(|mutant| refused.mutants.contains(&mutant.number));
            builds.refused.extend(keys.map(|mutant| mutant.key.clone()));
            results.write()?;
        }
    }

    /// Builds a mutant that has no switch, and runs all tests: first those that are built sooner.
    fn alone(
        &self,
        mutant: &Mutant,
        builds: &Builds,
        suite: &Suite<'_>,
        tests: &[Test],
    ) -> anyhow::Result<Outcome> {
        let mut files = tree::files(self.root)?;
        tree::mutate(&mut files, builds, Some(mutant.number))?;
        tree::write(self.copy, &files)?;
        for some in [WITHIN, STORIES] {
            let programs = match compile::build(self.copy, self.target, &files, some)? {
                Built::Programs(programs) => programs,
                Built::Refused(_) => return Ok(Outcome::Found("the compiler".to_owned())),
            };
            match suite.all(tests, &programs)? {
                Ended::Passed => {}
                Ended::Failed(name) => return Ok(Outcome::Found(name)),
                Ended::TimedOut(name) => return Ok(Outcome::TimedOut(name)),
            }
        }
        Ok(Outcome::Open { passed: tests.len(), of: tests.len() })
    }
}

fn line(Mutant { number, key, line, state, .. }: &Mutant) -> String {
    let state = match state {
        State::Switched => "",
        State::Constant => " (constant)",
        State::Uncompilable => " (not compilable)",
    };
    format!(
        "{number}{state} {}:{line} {}: {} => {}",
        key.file, key.function, key.original, key.mutated
    )
}
