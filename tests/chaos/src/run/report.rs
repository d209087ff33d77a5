//! What is printed at the end of a run.

use std::fmt;

use tower_curfew_checker::{Entry, Kind, Log, Outcome, Reason, Report, Violation};

use super::faults::Faults;
use crate::servers::Store;

/// So much is the least that shows something.
const FEWEST_REQUESTS: usize = 2_000;
const FEWEST_ENDS: usize = 200;

/// What a run was like, beside what the checker says.
pub(super) struct Summary<'a> {
    pub(super) store: Store,
    pub(super) seconds: i64,
    pub(super) log: &'a Log,
    pub(super) report: &'a Report,
    pub(super) faults: &'a Faults,
    /// When a node hung, from and to.
    pub(super) hung: &'a [(i64, i64)],
    /// In KiB, of the first node.
    pub(super) memory: [Option<u64>; 2],
}

impl Summary<'_> {
    /// What broke a rule that this store keeps.
    pub(super) fn violations(&self) -> impl Iterator<Item = &Violation> {
        // Sign-ins are not waited for there. The page on stores says so.
        let may_lose = self.store == Store::RedisCluster;
        let all = self.report.violations.iter();
        all.filter(move |found| !(may_lose && found.kind == Kind::AcknowledgedIsLost))
    }

    /// Why the run shows nothing, if so.
    pub(super) fn is_vacuous(&self) -> Option<String> {
        let counts = &self.report.counts;
        let (requests, ends) = (self.log.entries().len(), counts.ends);
        if requests < FEWEST_REQUESTS || ends < FEWEST_ENDS {
            return Some(format!(
                "{requests} requests and {ends} ends are too few; run for longer"
            ));
        }
        for (reason, limit) in [(Reason::Absolute, "absolute"), (Reason::Idle, "idle")] {
            if self.told(reason) == 0 {
                return Some(format!("no {limit} limit has struck; run for longer"));
            }
        }
        let missing = self.faults.missing();
        missing.map(|fault| format!("it never happened that {fault}; run for longer"))
    }

    fn count(&self, is: impl Fn(&Entry) -> bool) -> usize {
        self.log.entries().iter().filter(|entry| is(entry)).count()
    }

    fn told(&self, reason: Reason) -> usize {
        self.count(|entry| entry.outcome == Outcome::Ended { reason: Some(reason) })
    }

    /// How long the slowest answer of a node took, in microseconds, while none was hung up.
    fn longest_answer(&self) -> i64 {
        let times = self.log.entries().iter().filter(|entry| entry.node.is_some());
        let times = times.filter_map(|entry| Some((entry.began, entry.ended?)));
        let is_hung_up = |(began, ended): &(i64, i64)| {
            self.hung.iter().any(|(from, to)| began <= to && from <= ended)
        };
        let free = times.filter(|times| !is_hung_up(times));
        free.map(|(began, ended)| ended - began).max().unwrap_or_default()
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.report.counts;
        let calls = |name: &str| counts.calls.get(name).copied().unwrap_or_default();
        let mebibytes = |memory: Option<u64>| memory.map_or(0, |kibibytes| kibibytes / 1024);
        let lost = self.report.violations.len() - self.violations().count();
        writeln!(f, "\n{}, {} s", self.store, self.seconds)?;
        for (number, what) in [
            (self.log.entries().len(), "requests"),
            (counts.sign_ins, "acknowledged sign-ins"),
            (counts.ends, "acknowledged ends"),
            (calls("set_policy") + calls("clear_policy"), "changes of policies"),
            (calls("list"), "lists"),
            (self.told(Reason::Revoked), "told to be revoked"),
            (self.told(Reason::Absolute), "told to be over by an absolute limit"),
            (self.told(Reason::Idle), "told to be over by an idle limit"),
            (self.count(|e| e.outcome == Outcome::Unavailable), "unavailable (503 of a node)"),
            (self.count(|e| e.outcome == Outcome::Unknown), "unknown outcomes"),
            (self.violations().count(), "violations"),
        ] {
            writeln!(f, "{number:>9}  {what}")?;
        }
        if 0 < lost {
            writeln!(f, "{lost:>9}  sign-ins that a failover has lost, as that store may")?;
        }
        writeln!(
            f,
            "{:>9}  ms until the slowest answer, but for those of a node that hangs",
            self.longest_answer() / 1000
        )?;
        let [begin, end] = self.memory.map(mebibytes);
        writeln!(f, "{:>9}  MiB of memory of a node at the end, {begin} at the beginning", end)?;
        for (fault, times) in self.faults.of_nodes.iter().filter(|(_, times)| 0 < **times) {
            writeln!(f, "{times:>9}  times {fault}")?;
        }
        for (fault, times) in self.faults.of_servers.iter().filter(|(_, times)| 0 < **times) {
            writeln!(f, "{times:>9}  times {fault}")?;
        }
        for spared in &self.faults.spared {
            writeln!(f, "     left out: {spared}")?;
        }
        Ok(())
    }
}
