//! The checker over logs of a toy: none of what it may do is found, and each fault in it is.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]
#![expect(unreachable_pub, reason = "what its parts share")]

#[path = "../../../it/support/chance.rs"]
#[expect(dead_code, reason = "the stories use more of it")]
mod chance;
mod faults;
mod store;
mod world;

use std::collections::BTreeMap;

use chance::Chance;
use faults::Fault;
use tower_curfew_checker::{Call, Kind, Log, check};
use world::World;

/// How many histories the toy must get through without a false alarm.
const RUNS: u64 = 200;

impl Chance {
    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

#[test]
fn a_store_that_keeps_the_rules_breaks_none() {
    let mut calls = BTreeMap::<_, usize>::new();
    for seed in 0..RUNS {
        let log = World::new(seed, None).log();
        let report = check(&log);
        if let Some(violation) = report.violations.first() {
            panic!("seed {seed}: {violation}\n{}", proof(&log, &violation.lines));
        }
        for (name, count) in report.counts.calls {
            *calls.entry(name).or_default() += count;
        }
    }
    println!("{RUNS} histories without a violation: {calls:?}");
}

#[test]
fn each_fault_is_found() {
    use Fault::{
        ExceedsTheCap, ForgetsOneEndInAThousand, HasTwoPrimaries, IgnoresAbsoluteLimits,
        IgnoresPolicies, ListsHoldOneOfAnother, ListsLeaveOneOut, ReadsFromAReplica,
        RecordsTooLittleActivity, WritesOverEnds,
    };
    for (fault, kind) in [
        (ForgetsOneEndInAThousand, Kind::EndedLives),
        (ReadsFromAReplica, Kind::EndedLives),
        (ReadsFromAReplica, Kind::AcknowledgedIsLost),
        (ReadsFromAReplica, Kind::ListIsNotTheLiving),
        (WritesOverEnds, Kind::EndedLives),
        (HasTwoPrimaries, Kind::AcknowledgedIsLost),
        (HasTwoPrimaries, Kind::EndedLives),
        (ExceedsTheCap, Kind::OverTheCap),
        (ListsLeaveOneOut, Kind::ListIsNotTheLiving),
        (ListsHoldOneOfAnother, Kind::ListIsNotTheLiving),
        (RecordsTooLittleActivity, Kind::CutEarly),
        (IgnoresAbsoluteLimits, Kind::OutlivesALimit),
        (IgnoresPolicies, Kind::OutlivesALimit),
    ] {
        let requests = requests_until_found(fault, kind);
        println!("{fault:?}: `{kind}` after {requests} requests");
    }
}

fn requests_until_found(fault: Fault, kind: Kind) -> usize {
    let mut before = 0;
    for seed in 0..RUNS {
        let log = World::new(seed, Some(fault)).log();
        let violations = check(&log).violations;
        let found = violations.iter().find(|violation| violation.kind == kind);
        // The header is a line, too.
        let last = found.and_then(|violation| violation.lines.iter().max()).map(|line| line - 1);
        before += requests(&log, last.unwrap_or(log.entries().len()));
        if found.is_some() {
            return before;
        }
    }
    panic!("{fault:?}: no `{kind}` in {before} requests");
}

fn requests(log: &Log, calls: usize) -> usize {
    let is_request = |call: &Call| matches!(call, Call::Request { .. });
    log.entries()[..calls].iter().filter(|entry| is_request(&entry.call)).count()
}

fn proof(log: &Log, lines: &[usize]) -> String {
    let text = |line: &usize| match line {
        1 => serde_json::to_string(log.header()).unwrap(),
        line => serde_json::to_string(&log.entries()[line - 2]).unwrap(),
    };
    lines.iter().map(|line| format!("{line}: {}\n", text(line))).collect()
}
