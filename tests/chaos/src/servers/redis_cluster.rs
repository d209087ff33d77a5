//! A cluster of Redis: three primaries, and a replica of each.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;

use super::process::{Process, free_port, pause, program, succeed, until};
use super::redis::{answers, cli};
use super::wire::Wire;
use super::{ServerFault, Servers, swallowed};
use crate::chance::Chance;

pub(super) struct RedisCluster {
    servers: Vec<Server>,
    chance: Chance,
    folder: TempDir,
}

struct Server {
    wire: Wire,
    process: Process,
    port: u16,
    bus: u16,
}

impl RedisCluster {
    pub(super) fn start(runtime: &Handle, chance: &mut Chance) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut servers = Vec::new();
        for _ in 0..6 {
            let (port, bus) = (free_port(chance), free_port(chance));
            std::fs::create_dir(folder.path().join(port.to_string()))?;
            let wire = runtime.block_on(Wire::to(port))?;
            let process = run(port, bus, wire.port(), &folder)?;
            servers.push(Server { wire, process, port, bus });
        }
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(servers.iter().map(|server| format!("127.0.0.1:{}", server.wire.port())));
        succeed(create.args(["--cluster-replicas", "1", "--cluster-yes"]))?;
        let cluster = Self { servers, chance: Chance::new(chance.next()), folder };
        cluster.settles()?;
        Ok(cluster)
    }

    /// Waits until all agree, and each primary has its replica: one that is lost before that takes with it
    /// what it has.
    fn settles(&self) -> anyhow::Result<()> {
        until("a cluster to agree", || {
            let all_agree = self.servers.iter().all(|server| {
                let info = cli(server.port, &["cluster", "info"]).unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains("cluster_slots_assigned:16384")
            });
            let followed = self.servers.iter().filter(|server| {
                let info = replication(server.port);
                info.contains("role:master") && info.contains("state=online")
            });
            all_agree && followed.count() == 3
        })
    }

    /// One of the primaries, or of the replicas.
    fn any(&mut self, role: &str) -> usize {
        let role = format!("role:{role}");
        let has_role = |at: &usize| replication(self.servers[*at].port).contains(&role);
        let those = (0..self.servers.len()).filter(has_role).collect::<Vec<_>>();
        self.chance.one_of(&those)
    }

    fn start_again(&mut self, at: usize) -> anyhow::Result<()> {
        let Server { wire, process, port, bus } = &mut self.servers[at];
        *process = run(*port, *bus, wire.port(), &self.folder)?;
        Ok(())
    }

    /// Waits until the others have replaced one.
    fn replaces(&self, at: usize) -> anyhow::Result<()> {
        let gone = self.servers[at].port;
        until("a replica to take over", || {
            let others = self.servers.iter().filter(|server| server.port != gone);
            let primaries = others.filter(|server| {
                let agrees = cli(server.port, &["cluster", "info"]).unwrap_or_default();
                replication(server.port).contains("role:master")
                    && agrees.contains("cluster_state:ok")
            });
            primaries.count() == 3
        })
    }
}

impl Servers for RedisCluster {
    fn address(&self) -> String {
        let hosts = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.wire.port()));
        format!("redis-cluster://{}/", hosts.collect::<Vec<_>>().join(","))
    }

    fn spared(&self, fault: ServerFault) -> Option<&'static str> {
        match fault {
            // So a primary that is killed is always replaced first.
            ServerFault::Killed => Some("one that is back at once has lost all"),
            ServerFault::DiskFull => Some("it keeps all in memory, on two servers each"),
            ServerFault::Locked => Some("there is no file"),
            _ => None,
        }
    }

    fn strike(&mut self, fault: ServerFault, length: Duration) -> anyhow::Result<()> {
        match fault {
            // If it hangs for long, its replica takes over, and it comes back all the same.
            ServerFault::Frozen => {
                let primary = self.any("master");
                self.servers[primary].process.freeze();
                pause(length)?;
                self.servers[primary].process.thaw();
            }
            ServerFault::ReplicaGone => {
                let replica = self.any("slave");
                self.servers[replica].process.kill();
                pause(length)?;
                self.start_again(replica)?;
            }
            ServerFault::FailedOver => {
                let primary = self.any("master");
                self.servers[primary].process.kill();
                self.replaces(primary)?;
                self.start_again(primary)?;
            }
            ServerFault::Cut => self.servers.iter().for_each(|server| server.wire.cut()),
            ServerFault::Swallowed => {
                let wires = self.servers.iter().map(|server| &server.wire);
                swallowed(&wires.collect::<Vec<_>>(), length)?;
            }
            ServerFault::Killed | ServerFault::DiskFull | ServerFault::Locked => {}
        }
        self.settles()
    }
}

/// It tells everybody, its replica too, that it is at the end of the wire. Only what they say of each
/// other's health goes past it.
fn run(port: u16, bus: u16, wire: u16, folder: &TempDir) -> anyhow::Result<Process> {
    let mut server = program("redis-server");
    server.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
    server.args(["--appendonly", "no", "--repl-diskless-sync-delay", "0"]);
    server.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
    server.args(["--cluster-port", &bus.to_string()]);
    server.args(["--cluster-announce-port", &wire.to_string(), "--repl-timeout", "5"]);
    server.arg("--dir").arg(folder.path().join(port.to_string()));
    Process::ready(&mut server, || answers(port))
}

fn replication(port: u16) -> String {
    cli(port, &["info", "replication"]).unwrap_or_default()
}
