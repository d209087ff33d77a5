//! The stores under test: servers that this process owns, and how they break.

pub(crate) mod disk;
mod postgres;
pub(crate) mod process;
mod redis;
mod redis_cluster;
mod sqlite;
#[path = "../../../it/faults/wire.rs"]
mod wire;

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use tokio::runtime::Handle;

use self::process::pause;
use crate::chance::Chance;
use crate::plant::Plant;

/// Which store the nodes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
    Redis,
    RedisCluster,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL with a synchronous replica",
            Self::Redis => "Redis with appendfsync always",
            Self::RedisCluster => "Redis Cluster with acknowledged_by(1)",
        })
    }
}

impl Store {
    pub(crate) fn start(
        self,
        runtime: &Handle,
        chance: &mut Chance,
        plant: Option<Plant>,
    ) -> anyhow::Result<Box<dyn Servers>> {
        Ok(match self {
            Self::Sqlite => Box::new(sqlite::Sqlite::new()?),
            Self::Postgres => Box::new(postgres::Postgres::start(runtime, chance)?),
            Self::Redis => Box::new(redis::Redis::start(runtime, chance, plant)?),
            Self::RedisCluster => Box::new(redis_cluster::RedisCluster::start(runtime, chance)?),
        })
    }

    /// How many nodes share it.
    pub(crate) fn nodes(self) -> usize {
        if self == Self::Sqlite { 2 } else { 3 }
    }

    /// How many replicas have what is acknowledged.
    pub(crate) fn acknowledged_by(self) -> u32 {
        match self {
            Self::Sqlite | Self::Redis => 0,
            Self::Postgres | Self::RedisCluster => 1,
        }
    }
}

/// What can happen to a server, or to all that one store needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServerFault {
    Frozen,
    Killed,
    FailedOver,
    ReplicaGone,
    Cut,
    Swallowed,
    DiskFull,
    Locked,
}

impl ServerFault {
    pub(crate) const ALL: [Self; 8] = [
        Self::Frozen,
        Self::Killed,
        Self::FailedOver,
        Self::ReplicaGone,
        Self::Cut,
        Self::Swallowed,
        Self::DiskFull,
        Self::Locked,
    ];
}

impl fmt::Display for ServerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frozen => "the server hangs",
            Self::Killed => "the server is killed",
            Self::FailedOver => "a replica takes over",
            Self::ReplicaGone => "a replica is gone",
            Self::Cut => "connections are cut",
            Self::Swallowed => "connections are swallowed",
            Self::DiskFull => "the disk is full",
            Self::Locked => "another process locks the file",
        })
    }
}

/// The servers of one store.
pub(crate) trait Servers {
    /// Where nodes find it.
    fn address(&self) -> String;

    /// Why this cannot happen to it, if it cannot.
    fn spared(&self, fault: ServerFault) -> Option<&'static str>;

    /// Lets this happen for so long, and waits until all is as it was.
    fn strike(&mut self, fault: ServerFault, length: Duration) -> anyhow::Result<()>;

    /// Whether it has a clock of its own, which nodes may be far off from.
    fn has_clock(&self) -> bool {
        true
    }

    /// Makes a second primary of a replica, beside the first one, and says where it is.
    fn second_primary(&mut self) -> anyhow::Result<String> {
        anyhow::bail!("no second primary here; plant it over --store redis")
    }
}

/// While nothing gets through.
fn swallowed(wires: &[&wire::Wire], length: Duration) -> anyhow::Result<()> {
    wires.iter().for_each(|wire| wire.swallow(true));
    let paused = pause(length);
    wires.iter().for_each(|wire| wire.swallow(false));
    paused
}
