//! What goes wrong, with quiet times in between.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::nodes::Nodes;
use crate::chance::Chance;
use crate::rules;
use crate::servers::process::pause;
use crate::servers::{ServerFault, Servers};

/// What can happen to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NodeFault {
    Killed,
    Hangs,
    Restarted,
    ClockStepped,
    ClockFarOff,
}

impl NodeFault {
    const ALL: [Self; 5] =
        [Self::Killed, Self::Hangs, Self::Restarted, Self::ClockStepped, Self::ClockFarOff];
}

impl fmt::Display for NodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Killed => "a node is killed",
            Self::Hangs => "a node hangs",
            Self::Restarted => "a node is restarted",
            Self::ClockStepped => "the clock of a node is stepped",
            Self::ClockFarOff => "the clock of a node is far off",
        })
    }
}

/// What goes wrong at one time: with a node, with the server, or with both.
#[derive(Clone, Copy)]
pub(super) struct Trouble {
    pub(super) node: Option<NodeFault>,
    server: Option<ServerFault>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.server, self.node) {
            (Some(server), Some(node)) => write!(f, "{server}, and {node}"),
            (Some(server), None) => server.fmt(f),
            (None, Some(node)) => node.fmt(f),
            (None, None) => f.write_str("nothing"),
        }
    }
}

/// In so many percent of the cases a node is in trouble while the server is.
const BOTH: usize = 40;

/// All that can happen here, how often it did, and what cannot, and why.
pub(super) struct Faults {
    pub(super) of_nodes: BTreeMap<NodeFault, usize>,
    pub(super) of_servers: BTreeMap<ServerFault, usize>,
    pub(super) spared: Vec<String>,
    /// What is still to come, before each comes again.
    next: Vec<Trouble>,
    chance: Chance,
}

impl Faults {
    pub(super) fn of(servers: &dyn Servers, chance: Chance) -> Self {
        let (mut of_nodes, mut of_servers) = (BTreeMap::new(), BTreeMap::new());
        let mut spared = Vec::new();
        for fault in NodeFault::ALL {
            if fault == NodeFault::ClockFarOff && !servers.has_clock() {
                spared.push(format!("{fault}: the store has none to compare it with"));
            } else {
                of_nodes.insert(fault, 0);
            }
        }
        for fault in ServerFault::ALL {
            match servers.spared(fault) {
                Some(why) => spared.push(format!("{fault}: {why}")),
                None => drop(of_servers.insert(fault, 0)),
            }
        }
        Self { of_nodes, of_servers, spared, next: Vec::new(), chance }
    }

    /// What has not happened yet.
    pub(super) fn missing(&self) -> Option<String> {
        let of_nodes = self.of_nodes.iter().find(|(_, times)| **times == 0);
        let of_servers = self.of_servers.iter().find(|(_, times)| **times == 0);
        of_servers
            .map(|(fault, _)| fault.to_string())
            .or(of_nodes.map(|(fault, _)| fault.to_string()))
    }

    /// What happens next, at random, but each fault once before any comes again.
    pub(super) fn draw(&mut self) -> Trouble {
        if self.next.is_empty() {
            let of_nodes =
                self.of_nodes.keys().map(|node| Trouble { node: Some(*node), server: None });
            let of_servers =
                self.of_servers.keys().map(|server| Trouble { node: None, server: Some(*server) });
            self.next.extend(of_nodes.chain(of_servers));
        }
        let at = self.chance.below(self.next.len());
        let mut trouble = self.next.swap_remove(at);
        if trouble.server.is_some() && self.chance.percent(BOTH) {
            let of_nodes = self.of_nodes.keys().copied().collect::<Vec<_>>();
            trouble.node = Some(self.chance.one_of(&of_nodes));
        }
        trouble
    }

    /// Lets it happen, and waits until all is as it was.
    pub(super) fn strike(
        &mut self,
        trouble: Trouble,
        nodes: &mut Nodes,
        servers: &mut dyn Servers,
    ) -> anyhow::Result<()> {
        let length = Duration::from_millis(self.chance.between(1000, 4000).unsigned_abs());
        let at = match trouble.node {
            // The first one goes on, so that its memory can be compared.
            Some(NodeFault::Killed | NodeFault::Restarted) => {
                1 + self.chance.below(nodes.count() - 1)
            }
            _ => self.chance.below(nodes.count()),
        };
        if let Some(fault) = trouble.node {
            self.begin(fault, at, nodes)?;
        }
        match trouble.server {
            Some(fault) => servers.strike(fault, length)?,
            None => pause(length)?,
        }
        if let Some(fault) = trouble.node {
            end(fault, at, nodes)?;
            *self.of_nodes.entry(fault).or_default() += 1;
        }
        if let Some(fault) = trouble.server {
            *self.of_servers.entry(fault).or_default() += 1;
        }
        Ok(())
    }

    fn begin(&mut self, fault: NodeFault, at: usize, nodes: &mut Nodes) -> anyhow::Result<()> {
        match fault {
            NodeFault::Killed => nodes.kill(at),
            NodeFault::Hangs => nodes.freeze(at),
            NodeFault::Restarted => nodes.terminate(at)?,
            NodeFault::ClockStepped => {
                let most = i64::try_from(rules::CLOCK_STEP.whole_milliseconds())?;
                let ahead = time::Duration::milliseconds(self.chance.between(-most, most));
                nodes.step_clock(at, ahead)?;
            }
            NodeFault::ClockFarOff => {
                let sign = if self.chance.percent(50) { 1 } else { -1 };
                nodes.step_clock(at, rules::FAR_OFF * sign)?;
            }
        }
        Ok(())
    }
}

fn end(fault: NodeFault, at: usize, nodes: &mut Nodes) -> anyhow::Result<()> {
    match fault {
        NodeFault::Killed | NodeFault::Restarted => nodes.start_again(at)?,
        NodeFault::Hangs => nodes.thaw(at),
        // Clocks that are a bit apart stay so.
        NodeFault::ClockStepped => {}
        NodeFault::ClockFarOff => nodes.step_clock(at, time::Duration::ZERO)?,
    }
    Ok(())
}
