//! Two servers of PostgreSQL, of which one follows the other and has all that is acknowledged.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;

use super::disk::Disk;
use super::process::{Process, free_port, listens, pause, program, succeed, until};
use super::wire::Wire;
use super::{ServerFault, Servers, swallowed};
use crate::chance::Chance;

pub(super) struct Postgres {
    servers: [Server; 2],
    primary: usize,
}

/// A server, its folder, and how nodes reach it.
struct Server {
    wire: Wire,
    process: Option<Process>,
    port: u16,
    disk: Disk,
}

impl Postgres {
    pub(super) fn start(runtime: &Handle, chance: &mut Chance) -> anyhow::Result<Self> {
        let mut primary = Server::new(runtime, chance)?;
        let mut initdb = tool("initdb")?;
        initdb.arg("-D").arg(primary.data());
        succeed(initdb.args(["-U", "curfew", "-A", "trust", "-E", "UTF8", "--locale=C"]))?;
        primary.run()?;
        let mut replica = Server::new(runtime, chance)?;
        replica.follow(&primary)?;
        let postgres = Self { servers: [primary, replica], primary: 0 };
        postgres.settles()?;
        Ok(postgres)
    }

    /// Waits until the replica has all that the primary acknowledges.
    fn settles(&self) -> anyhow::Result<()> {
        let port = self.servers[self.primary].port.to_string();
        until("a replica in step", || {
            let asked = tool("psql").and_then(|mut psql| {
                psql.args(["-h", "127.0.0.1", "-p", &port, "-U", "curfew", "-Atc"]);
                psql.args(["SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"]);
                succeed(psql.arg("postgres"))
            });
            asked.is_ok_and(|state| state == "sync")
        })
    }

    fn fail_over(&mut self) -> anyhow::Result<()> {
        let (old, new) = (self.primary, 1 - self.primary);
        self.servers[old].kill();
        let mut promote = tool("pg_ctl")?;
        promote.args(["promote", "-w", "-t", "60", "-D"]).arg(self.servers[new].data());
        succeed(&mut promote)?;
        self.primary = new;
        let data = self.servers[old].data();
        std::fs::remove_dir_all(&data).with_context(|| format!("{} stays", data.display()))?;
        let [one, other] = &mut self.servers;
        let (follower, followed) = if old == 0 { (one, other) } else { (other, one) };
        follower.follow(followed)
    }
}

impl Servers for Postgres {
    fn address(&self) -> String {
        let hosts = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.wire.port()));
        format!("postgres://curfew@{}/postgres", hosts.collect::<Vec<_>>().join(","))
    }

    fn spared(&self, fault: ServerFault) -> Option<&'static str> {
        match fault {
            ServerFault::Locked => Some("there is no file"),
            ServerFault::DiskFull => self.servers[0].disk.cannot_be_full(),
            _ => None,
        }
    }

    fn strike(&mut self, fault: ServerFault, length: Duration) -> anyhow::Result<()> {
        let at = match fault {
            ServerFault::ReplicaGone => 1 - self.primary,
            _ => self.primary,
        };
        let server = &mut self.servers[at];
        match fault {
            ServerFault::Frozen | ServerFault::ReplicaGone => {
                let process = server.process.as_ref().context("a server is not running")?;
                process.freeze();
                pause(length)?;
                process.thaw();
            }
            ServerFault::Killed => {
                server.kill();
                pause(length)?;
                server.run()?;
            }
            ServerFault::DiskFull => {
                server.disk.fill()?;
                pause(length)?;
                server.disk.free()?;
                // One that cannot write gives up after a while.
                if !server.process.as_mut().is_some_and(Process::is_running) {
                    server.run()?;
                }
            }
            ServerFault::Swallowed => {
                swallowed(&self.servers.each_ref().map(|server| &server.wire), length)?;
            }
            ServerFault::Cut => self.servers.iter().for_each(|server| server.wire.cut()),
            ServerFault::FailedOver => self.fail_over()?,
            ServerFault::Locked => {}
        }
        self.settles()
    }
}

impl Server {
    fn new(runtime: &Handle, chance: &mut Chance) -> anyhow::Result<Self> {
        let (port, disk) = (free_port(chance), Disk::new(512)?);
        if is_root() {
            succeed(Command::new("chown").arg("postgres:").arg(disk.path()))?;
        }
        Ok(Self { wire: runtime.block_on(Wire::to(port))?, process: None, port, disk })
    }

    fn data(&self) -> PathBuf {
        self.disk.path().join("data")
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let mut server = tool("postgres")?;
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_wal_size=128MB",
            // Each is the primary some day, and waits for the other one.
            "cluster_name=replica",
            "synchronous_standby_names=replica",
            "synchronous_commit=on",
            "wal_retrieve_retry_interval=200ms",
            "wal_sender_timeout=5s",
            "log_destination=stderr",
            "log_min_messages=panic",
        ] {
            server.args(["-c", setting]);
        }
        server.stderr(std::process::Stdio::null());
        let port = self.port;
        // A child of one that was killed may still be there for a moment.
        let mut last = None;
        for _ in 0..20 {
            match Process::ready(&mut server, || listens(port) && is_ready(port)) {
                Ok(process) => {
                    self.process = Some(process);
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
            pause(Duration::from_millis(200))?;
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("PostgreSQL does not start")))
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    fn follow(&mut self, primary: &Self) -> anyhow::Result<()> {
        let mut copy = tool("pg_basebackup")?;
        copy.args(["-h", "127.0.0.1", "-p", &primary.port.to_string(), "-U", "curfew"]);
        copy.args(["-c", "fast", "-X", "stream", "-R", "-D"]).arg(self.data());
        succeed(&mut copy)?;
        self.run()
    }
}

/// It listens before it answers.
fn is_ready(port: u16) -> bool {
    let ready = |mut ready: Command| {
        succeed(ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])).is_ok()
    };
    tool("pg_isready").is_ok_and(ready)
}

/// PostgreSQL refuses to run as root, and Debian keeps its programs out of the path.
fn tool(name: &str) -> anyhow::Result<Command> {
    let missing =
        "there is no PostgreSQL in /usr/lib/postgresql; install it, or choose another store";
    let versions = std::fs::read_dir("/usr/lib/postgresql").context(missing)?.flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let folder =
        folders.filter(|folder| folder.join("postgres").exists()).max().context(missing)?;
    let tool = folder.join(name);
    if !is_root() {
        return Ok(program(tool));
    }
    let mut command = program("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command.args(["--pdeathsig", "KILL"]).arg(tool);
    Ok(command)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0)
}
