//! Running the tests that reach a mutant, until one fails.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::suite::{Ended, Suite, Test};

/// What the tests say of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// This test fails with it.
    Found(String),
    /// This test does not end with it.
    TimedOut(String),
    /// So many tests pass, of so many that reach it.
    Open { passed: usize, of: usize },
}

impl Outcome {
    /// The test that found it.
    pub(crate) fn by(&self) -> Option<&str> {
        match self {
            Self::Found(by) | Self::TimedOut(by) => Some(by),
            Self::Open { .. } => None,
        }
    }

    /// Whether no test is left that might find it.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Open { passed, of } if passed < of)
    }
}

/// How long the tests of one process take, at most: the first of them should soon be through, and the
/// last should not each cost a process.
const BATCHES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(2),
    Duration::from_secs(10),
];

/// The fastest tests are run first, but before all others the one that found it the last time. Ends after
/// the batch in which `at_most` of what they take is over.
pub(crate) fn trial(
    suite: &Suite<'_>,
    tests: &[Test],
    number: u32,
    found_by: Option<&str>,
    at_most: Duration,
) -> anyhow::Result<Outcome> {
    let reaching = tests.iter().filter(|test| test.reaches.contains(&number)).collect::<Vec<_>>();
    let is_first = |test: &&Test| found_by.is_some_and(|name| test.full_name() == name);
    let (first, others) = reaching.iter().copied().partition::<Vec<_>, _>(is_first);
    let mut batches = vec![first];
    batches.extend(in_batches(&others));
    let (mut passed, mut taken) = (0, Duration::ZERO);
    for batch in batches.iter().filter(|batch| !batch.is_empty()) {
        if at_most <= taken {
            break;
        }
        match suite.tried(number, batch)? {
            Ended::Passed => {
                passed += batch.len();
                taken += batch.iter().map(|test| test.takes).sum::<Duration>();
            }
            Ended::Failed(name) => return Ok(Outcome::Found(full_name(batch, &name))),
            Ended::TimedOut(name) => return Ok(Outcome::TimedOut(full_name(batch, &name))),
        }
    }
    Ok(Outcome::Open { passed, of: reaching.len() })
}

/// Of the test with this name, or of the first one if it ended the process without a word.
fn full_name(batch: &[&Test], name: &str) -> String {
    batch.iter().find(|test| test.name == name).unwrap_or(&batch[0]).full_name()
}

/// Batches of one program each.
fn in_batches<'t>(tests: &[&'t Test]) -> Vec<Vec<&'t Test>> {
    let mut batches = Vec::new();
    let mut rest = tests;
    for size in BATCHES.into_iter().chain(std::iter::repeat(BATCHES[3])) {
        if rest.is_empty() {
            break;
        }
        let mut takes = Duration::ZERO;
        let fits = |test: &&&Test| {
            takes += test.takes;
            takes <= size
        };
        let len = rest.iter().take_while(fits).count().max(1);
        let (batch, others) = rest.split_at(len);
        rest = others;
        let mut programs = batch.iter().map(|test| &test.program).collect::<Vec<_>>();
        programs.sort();
        programs.dedup();
        for program in programs {
            let own = batch.iter().filter(|test| test.program == *program);
            batches.push(own.copied().collect());
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(program: &str, name: &str, millis: u64) -> Test {
        Test {
            program: program.into(),
            name: name.to_owned(),
            takes: Duration::from_millis(millis),
            reaches: [1].into(),
        }
    }

    #[test]
    fn each_test_is_in_one_batch_and_each_batch_is_of_one_program() {
        let tests = [
            test("lib", "a", 40),
            test("it", "b", 50),
            test("lib", "c", 60),
            test("lib", "d", 9000),
            test("it", "e", 30_000),
        ];
        let batches = in_batches(&tests.iter().collect::<Vec<_>>());
        let names =
            batches.iter().map(|batch| batch.iter().map(|test| &*test.name).collect::<Vec<_>>());
        let names = names.collect::<Vec<_>>();
        assert_eq!(names, [vec!["b"], vec!["a"], vec!["c"], vec!["d"], vec!["e"]]);
    }
}
