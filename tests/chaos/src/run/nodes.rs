//! The nodes, and the proxy before them.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::chance::Chance;
use crate::plant::Plant;
use crate::servers::Store;
use crate::servers::process::{Process, free_port, listens, program};

/// Nodes of an app that share a store.
pub(super) struct Nodes {
    nodes: Vec<Node>,
    proxy: Process,
    pub(super) port: u16,
    setup: Setup,
    chance: Chance,
}

/// What holds for all nodes.
struct Setup {
    store: Store,
    plant: Option<Plant>,
    folder: TempDir,
}

struct Node {
    process: Process,
    port: u16,
    address: String,
}

impl Nodes {
    pub(super) fn start(
        store: Store,
        address: &str,
        plant: Option<Plant>,
        chance: &mut Chance,
    ) -> anyhow::Result<Self> {
        let setup = Setup { store, plant, folder: tempfile::tempdir()? };
        let mut nodes = Vec::new();
        for _ in 0..store.nodes() {
            let port = free_port(chance);
            let process = setup.run(address, port, chance.next())?;
            nodes.push(Node { process, port, address: address.to_owned() });
        }
        let port = free_port(chance);
        let proxy = run_proxy(&setup.folder, port, &nodes)?;
        Ok(Self { nodes, proxy, port, setup, chance: Chance::new(chance.next()) })
    }

    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// How much memory the first one takes, in KiB. It is never ended.
    pub(super) fn memory(&self) -> Option<u64> {
        self.nodes[0].process.memory()
    }

    pub(super) fn kill(&mut self, at: usize) {
        self.nodes[at].process.kill();
    }

    pub(super) fn terminate(&mut self, at: usize) -> anyhow::Result<()> {
        self.nodes[at].process.terminate()
    }

    pub(super) fn start_again(&mut self, at: usize) -> anyhow::Result<()> {
        let Node { process, port, address } = &mut self.nodes[at];
        *process = self.setup.run(address, *port, self.chance.next())?;
        Ok(())
    }

    pub(super) fn freeze(&self, at: usize) {
        self.nodes[at].process.freeze();
    }

    pub(super) fn thaw(&self, at: usize) {
        self.nodes[at].process.thaw();
    }

    /// By so much the clock of a node is ahead from now on.
    pub(super) fn step_clock(&mut self, at: usize, ahead: time::Duration) -> anyhow::Result<()> {
        let stdin = self.nodes[at].process.child.stdin.as_mut().context("a node without input")?;
        Ok(writeln!(stdin, "{}", ahead.whole_milliseconds())?)
    }

    /// Starts a node again, over another server.
    pub(super) fn mislead(&mut self, at: usize, address: String) -> anyhow::Result<()> {
        self.kill(at);
        self.nodes[at].address = address;
        self.start_again(at)
    }

    pub(super) fn all_run(&mut self) -> bool {
        self.proxy.is_running() && self.nodes.iter_mut().all(|node| node.process.is_running())
    }
}

impl Setup {
    fn run(&self, address: &str, port: u16, seed: u64) -> anyhow::Result<Process> {
        let mut node = program(std::env::current_exe()?);
        node.args(["node", "--store", address, "--port", &port.to_string()]);
        node.args(["--acknowledged-by", &self.store.acknowledged_by().to_string()]);
        node.args(["--seed", &seed.to_string()]).arg("--key").arg(self.folder.path().join("key"));
        if let Some(plant) = self.plant {
            node.args(["--plant", &plant.to_string()]);
        }
        Process::ready(&mut node, || listens(port))
    }
}

fn run_proxy(folder: &TempDir, port: u16, nodes: &[Node]) -> anyhow::Result<Process> {
    let mut config = format!(
        "defaults\n  mode http\n  option redispatch\n  timeout connect 1s\n  timeout client 30s\n  \
           timeout server 8s\n  timeout check 1s\n\
         listen site\n  bind 127.0.0.1:{port}\n  balance roundrobin\n  option httpchk GET /ready\n  \
           http-check expect status 200\n  default-server check inter 500ms fall 4 rise 1\n"
    );
    for (number, Node { port, .. }) in (1..).zip(nodes) {
        config += &format!("  server node{number} 127.0.0.1:{port}\n");
    }
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, config)?;
    // Debian keeps it among the programs of root.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    let asked = Command::new("haproxy").arg("-v").env("PATH", &path).output();
    asked.context("there is no HAProxy; install it (apt-get install haproxy)")?;
    let mut proxy = program("haproxy");
    proxy.args(["-db", "-q", "-f"]).arg(file).env("PATH", path).stderr(Stdio::null());
    Process::ready(&mut proxy, || listens(port))
}
