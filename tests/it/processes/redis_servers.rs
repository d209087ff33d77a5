//! Several servers of Redis that a test owns: a cluster, or a primary and a replica with Sentinels.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{free_port, redis_program};

/// A server, killed when it is dropped.
pub(crate) struct Node {
    pub(crate) port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Node {
    /// At a free port, with what that makes the arguments.
    pub(crate) fn start(folder: &Path, arguments: impl Fn(u16) -> Vec<String>) -> Self {
        // Somebody else may take it before the server does.
        for _ in 0..5 {
            let port = free_port();
            let own = folder.join(port.to_string());
            std::fs::create_dir_all(&own).unwrap();
            let dir = ["--dir".to_owned(), own.display().to_string()];
            let arguments = arguments(port).into_iter().chain(dir).collect();
            let mut node = Self { port, arguments, process: None };
            if node.starts() {
                return node;
            }
        }
        panic!("no server starts");
    }

    pub(crate) fn start_again(&mut self) {
        until("the port to be free again", || self.starts());
    }

    fn starts(&mut self) -> bool {
        let mut command = Command::new(redis_program());
        command.args(&self.arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut is_alive = true;
        until("a server to answer", || {
            let answers = self.cli(&["ping"]).as_deref() == Some("PONG");
            // Who answers may be another one, which has the port.
            is_alive = process.try_wait().unwrap().is_none();
            answers || !is_alive
        });
        self.process = is_alive.then_some(process);
        is_alive
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// What it answers, if it answers at all.
    pub(crate) fn cli(&self, command: &[&str]) -> Option<String> {
        // One that is frozen says nothing.
        let mut cli = Command::new("timeout");
        cli.args(["1", "redis-cli", "-e", "-p", &self.port.to_string()]).args(command);
        let output = cli.stderr(Stdio::null()).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(answer)
    }

    /// A field of what it says of its replication.
    pub(crate) fn replication(&self, name: &str) -> String {
        let info = self.cli(&["info", "replication"]).unwrap_or_default();
        let field = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        field.unwrap_or_default().trim().to_owned()
    }

    fn is_replica_in_step(&self) -> bool {
        self.replication("role") == "slave" && self.replication("master_link_status") == "up"
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three primaries, and a replica of each.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    _folder: TempDir,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = |_| {
            Node::start(folder.path(), |port| {
                let bus = free_port().to_string();
                let own = "--cluster-enabled yes --cluster-node-timeout 2000 --cluster-port";
                arguments(port, &[own, &bus])
            })
        };
        let nodes = (0..6).map(node);
        let cluster = Self { nodes: nodes.collect(), _folder: folder };
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        create.args(["--cluster-replicas", "1", "--cluster-yes"]).stdout(Stdio::null());
        assert!(create.status().unwrap().success());
        cluster.is_settled();
        cluster
    }

    pub(crate) fn url(&self) -> String {
        let nodes = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        format!("redis-cluster://{}/", nodes.collect::<Vec<_>>().join(","))
    }

    /// Waits until all agree, and each primary has its replica.
    pub(crate) fn is_settled(&self) {
        until("a cluster to agree", || {
            let agrees = |node: &Node| {
                let info = node.cli(&["cluster", "info"]).unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains("cluster_slots_assigned:16384")
            };
            // As their primaries see it.
            let replicas = self.nodes.iter().filter(|node| {
                let replica = node.replication("slave0");
                node.replication("role") == "master" && replica.contains("state=online")
            });
            replicas.count() * 2 == self.nodes.len() && self.nodes.iter().all(agrees)
        });
    }

    /// Waits until the others have replaced the one at this port.
    pub(crate) fn is_served_without(&self, port: u16) {
        until("a replica to take over", || {
            let primary = |node: &&Node| node.port != port && node.replication("role") == "master";
            let primaries: Vec<_> = self.nodes.iter().filter(primary).collect();
            let agrees = |node: &&Node| {
                node.cli(&["cluster", "info"]).unwrap_or_default().contains("cluster_state:ok")
            };
            primaries.len() == 3 && primaries.iter().all(agrees)
        });
    }

    /// A primary, and its replica.
    pub(crate) fn pair(&self, number: usize) -> (usize, usize) {
        let is = |role: &str, node: &Node| node.replication("role") == role;
        let primaries = (0..self.nodes.len()).filter(|at| is("master", &self.nodes[*at]));
        let primaries: Vec<_> = primaries.collect();
        let primary = primaries[number % primaries.len()];
        let port = self.nodes[primary].port.to_string();
        let follows = |at: &usize| {
            is("slave", &self.nodes[*at]) && self.nodes[*at].replication("master_port") == port
        };
        (primary, (0..self.nodes.len()).find(follows).unwrap())
    }
}

/// A primary and a replica, and three Sentinels that watch them.
pub(crate) struct Watched {
    pub(crate) servers: Vec<Node>,
    pub(crate) sentinels: Vec<Node>,
    _folder: TempDir,
}

impl Watched {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let primary = Node::start(folder.path(), |port| arguments(port, &[]));
        let of = format!("--replicaof 127.0.0.1 {}", primary.port);
        let replica = Node::start(folder.path(), |port| arguments(port, &[&of]));
        let servers = vec![primary, replica];
        until("a replica in step", || servers[1].is_replica_in_step());
        let sentinel = |port| {
            let file = folder.path().join(format!("{port}.conf"));
            let watch = format!(
                "port {port}\nbind 127.0.0.1\n\
                 sentinel monitor main 127.0.0.1 {} 2\n\
                 sentinel down-after-milliseconds main 1000\n\
                 sentinel failover-timeout main 4000\n",
                servers[0].port
            );
            std::fs::write(&file, watch).unwrap();
            vec![file.display().to_string(), "--sentinel".into()]
        };
        let sentinels = (0..3).map(|_| Node::start(folder.path(), sentinel));
        let sentinels: Vec<_> = sentinels.collect();
        until("Sentinels that know each other and the replica", || {
            sentinels.iter().all(|sentinel| {
                let known = sentinel.cli(&["sentinel", "master", "main"]).unwrap_or_default();
                let lines: Vec<_> = known.lines().collect();
                let is = |pair: &[&str]| lines.windows(2).any(|lines| lines == pair);
                is(&["num-slaves", "1"]) && is(&["num-other-sentinels", "2"])
            })
        });
        Self { servers, sentinels, _folder: folder }
    }

    pub(crate) fn url(&self) -> String {
        let nodes = self.sentinels.iter().map(|node| format!("127.0.0.1:{}", node.port));
        format!("redis-sentinel://{}/main", nodes.collect::<Vec<_>>().join(","))
    }

    /// Waits until the Sentinels have made this one the primary.
    pub(crate) fn is_promoted(&self, server: usize) {
        let port = self.servers[server].port.to_string();
        until("a promotion", || {
            let named = |sentinel: &Node| {
                let ask = ["sentinel", "get-master-addr-by-name", "main"];
                sentinel.cli(&ask).is_some_and(|answer| answer.ends_with(&port))
            };
            self.servers[server].replication("role") == "master" && self.sentinels.iter().all(named)
        });
    }

    /// Waits until the Sentinels have made this one a replica, which has all that the other has.
    pub(crate) fn is_demoted(&self, server: usize) {
        until("a replica in step", || self.servers[server].is_replica_in_step());
    }
}

pub(crate) fn arguments(port: u16, more: &[&str]) -> Vec<String> {
    let port = port.to_string();
    let common =
        ["--bind 127.0.0.1 --save  --appendonly no --repl-diskless-sync-delay 0 --port", &port];
    let words = common.iter().chain(more).flat_map(|part| part.split(' '));
    words.map(str::to_owned).collect()
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(180), "waited in vain for {what}");
        sleep(Duration::from_millis(50));
    }
}
