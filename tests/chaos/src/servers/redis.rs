//! A server of Redis that has on its disk what it acknowledges, and one more for a second primary.

use std::process::Command;
use std::time::Duration;

use tokio::runtime::Handle;

use super::disk::Disk;
use super::process::{Process, free_port, pause, program, succeed, until};
use super::wire::Wire;
use super::{ServerFault, Servers, swallowed};
use crate::chance::Chance;
use crate::plant::Plant;

pub(super) struct Redis {
    wire: Wire,
    server: Server,
    replica: Option<Server>,
}

/// A server and its folder.
struct Server {
    process: Process,
    port: u16,
    disk: Disk,
}

impl Redis {
    pub(super) fn start(
        runtime: &Handle,
        chance: &mut Chance,
        plant: Option<Plant>,
    ) -> anyhow::Result<Self> {
        let server = Server::start(free_port(chance))?;
        let mut replica = None;
        if plant == Some(Plant::TwoPrimaries) {
            let new = Server::start(free_port(chance))?;
            cli(new.port, &["replicaof", "127.0.0.1", &server.port.to_string()])?;
            replica = Some(new);
        }
        Ok(Self { wire: runtime.block_on(Wire::to(server.port))?, server, replica })
    }
}

impl Servers for Redis {
    fn address(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.wire.port())
    }

    fn spared(&self, fault: ServerFault) -> Option<&'static str> {
        match fault {
            ServerFault::FailedOver | ServerFault::ReplicaGone => Some("there is one server"),
            ServerFault::Locked => Some("there is no file"),
            ServerFault::DiskFull => self.server.disk.cannot_be_full(),
            _ => None,
        }
    }

    fn strike(&mut self, fault: ServerFault, length: Duration) -> anyhow::Result<()> {
        let Self { wire, server, .. } = self;
        match fault {
            ServerFault::Frozen => {
                server.process.freeze();
                pause(length)?;
                server.process.thaw();
            }
            ServerFault::Killed => {
                server.process.kill();
                pause(length)?;
                server.start_again()?;
            }
            ServerFault::DiskFull => {
                server.disk.fill()?;
                pause(length)?;
                server.disk.free()?;
                // One that cannot write what it has to acknowledge gives up.
                if !server.process.is_running() {
                    server.start_again()?;
                }
            }
            ServerFault::Swallowed => swallowed(&[wire], length)?,
            ServerFault::Cut => wire.cut(),
            ServerFault::FailedOver | ServerFault::ReplicaGone | ServerFault::Locked => {}
        }
        Ok(())
    }

    fn second_primary(&mut self) -> anyhow::Result<String> {
        let Some(replica) = &self.replica else { anyhow::bail!("no replica was started") };
        let port = replica.port;
        until("a replica in step", || {
            cli(port, &["info", "replication"]).is_ok_and(|info| info.contains("link_status:up"))
        })?;
        cli(port, &["replicaof", "no", "one"])?;
        Ok(format!("redis://127.0.0.1:{port}/"))
    }
}

impl Server {
    fn start(port: u16) -> anyhow::Result<Self> {
        let disk = Disk::new(512)?;
        Ok(Self { process: run(port, &disk)?, port, disk })
    }

    fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = run(self.port, &self.disk)?;
        Ok(())
    }
}

fn run(port: u16, disk: &Disk) -> anyhow::Result<Process> {
    let mut server = program("redis-server");
    server.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
    server.args(["--appendonly", "yes", "--appendfsync", "always"]);
    server.args(["--repl-diskless-sync-delay", "0"]).arg("--dir").arg(disk.path());
    Process::ready(&mut server, || answers(port))
}

pub(super) fn answers(port: u16) -> bool {
    cli(port, &["ping"]).is_ok_and(|answer| answer == "PONG")
}

/// What a server answers. One that is frozen says nothing.
pub(super) fn cli(port: u16, command: &[&str]) -> anyhow::Result<String> {
    let mut cli = Command::new("timeout");
    succeed(cli.args(["2", "redis-cli", "-e", "-p", &port.to_string()]).args(command))
}
