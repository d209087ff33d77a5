//! What goes wrong, one after the other, with quiet times in between.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::nodes::Nodes;
use crate::chance::Chance;
use crate::rules;
use crate::servers::process::pause;
use crate::servers::{ServerFault, Servers};

/// Something that can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    NodeKilled,
    NodeHangs,
    NodeRestarted,
    ClockStepped,
    ClockFarOff,
    Server(ServerFault),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeKilled => f.write_str("a node is killed"),
            Self::NodeHangs => f.write_str("a node hangs"),
            Self::NodeRestarted => f.write_str("a node is restarted"),
            Self::ClockStepped => f.write_str("the clock of a node is stepped"),
            Self::ClockFarOff => f.write_str("the clock of a node is far off"),
            Self::Server(fault) => fault.fmt(f),
        }
    }
}

/// All that can happen here, how often it did, and what cannot, and why.
pub(super) struct Faults {
    pub(super) happened: BTreeMap<Fault, usize>,
    pub(super) spared: Vec<(Fault, &'static str)>,
    /// Those that are still to come, before each comes again.
    next: Vec<Fault>,
    chance: Chance,
}

impl Faults {
    pub(super) fn of(servers: &dyn Servers, chance: Chance) -> Self {
        let of_nodes = [
            Fault::NodeKilled,
            Fault::NodeHangs,
            Fault::NodeRestarted,
            Fault::ClockStepped,
            Fault::ClockFarOff,
        ];
        let mut faults =
            Self { happened: BTreeMap::new(), spared: Vec::new(), next: Vec::new(), chance };
        for fault in of_nodes.into_iter().chain(ServerFault::ALL.map(Fault::Server)) {
            let spared = match fault {
                Fault::Server(fault) => servers.spared(fault),
                Fault::ClockFarOff if !servers.has_clock() => Some("the store has none"),
                _ => None,
            };
            match spared {
                Some(why) => faults.spared.push((fault, why)),
                None => drop(faults.happened.insert(fault, 0)),
            }
        }
        faults
    }

    /// Whether each has happened.
    pub(super) fn all_happened(&self) -> bool {
        self.happened.values().all(|times| 0 < *times)
    }

    /// The next one, at random, but each once before any comes again.
    pub(super) fn draw(&mut self) -> Fault {
        if self.next.is_empty() {
            self.next.extend(self.happened.keys());
        }
        let at = self.chance.below(self.next.len());
        self.next.swap_remove(at)
    }

    /// Lets it happen, and waits until all is as it was.
    pub(super) fn strike(
        &mut self,
        fault: Fault,
        nodes: &mut Nodes,
        servers: &mut dyn Servers,
    ) -> anyhow::Result<()> {
        let mut length =
            |from, to| Duration::from_millis(self.chance.between(from, to).unsigned_abs());
        // The first one goes on, so that its memory can be compared.
        let (short, long) = (length(300, 1500), length(1500, 4000));
        let at = 1 + self.chance.below(nodes.count() - 1);
        let any = self.chance.below(nodes.count());
        match fault {
            Fault::NodeKilled => {
                nodes.kill(at);
                pause(short)?;
                nodes.start_again(at)?;
            }
            Fault::NodeHangs => {
                nodes.freeze(any);
                pause(long)?;
                nodes.thaw(any);
            }
            Fault::NodeRestarted => {
                nodes.terminate(at)?;
                pause(short)?;
                nodes.start_again(at)?;
            }
            // It stays like that.
            Fault::ClockStepped => {
                let most = i64::try_from(rules::CLOCK_STEP.whole_milliseconds())?;
                let ahead = time::Duration::milliseconds(self.chance.between(-most, most));
                nodes.step_clock(any, ahead)?;
                pause(short)?;
            }
            Fault::ClockFarOff => {
                let sign = if self.chance.percent(50) { 1 } else { -1 };
                nodes.step_clock(any, rules::FAR_OFF * sign)?;
                pause(long)?;
                nodes.step_clock(any, time::Duration::ZERO)?;
            }
            Fault::Server(fault) => servers.strike(fault, long)?,
        }
        *self.happened.entry(fault).or_default() += 1;
        Ok(())
    }
}
