//! Servers that a test owns: each in a folder and on a port of its own.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::processes::{
    as_ordinary_user, create_cluster, free_port, postgres_bin, redis_program, signal, succeed,
};

/// A server process, killed when it is dropped.
pub(super) struct Server {
    engine: Engine,
    folder: TempDir,
    port: u16,
    process: Child,
}

/// What kind of server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "only servers with a store"))]
pub(super) enum Engine {
    Redis,
    Postgres,
}

impl Server {
    /// A server that has written to its disk what it has acknowledged.
    pub(super) fn start(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if engine == Engine::Postgres {
            create_cluster(folder.path());
        }
        // Somebody else may take a free port before the server does.
        for _ in 0..5 {
            let port = free_port();
            if let Some(process) = run(engine, folder.path(), port) {
                return Self { engine, folder, port, process };
            }
        }
        panic!("{engine:?} does not start");
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The URL of this server, as seen through this port.
    pub(super) fn url(&self, port: u16) -> String {
        match self.engine {
            Engine::Redis => format!("redis://127.0.0.1:{port}/"),
            Engine::Postgres => format!("postgres://curfew@127.0.0.1:{port}/postgres"),
        }
    }

    /// `kill -9`, of its children too.
    pub(super) fn kill(&mut self) {
        self.signal("KILL");
        self.process.wait().unwrap();
    }

    /// Starts it again after it was killed.
    pub(super) fn start_again(&mut self) {
        // A child of the killed one may still be there for a moment.
        for _ in 0..50 {
            if let Some(process) = run(self.engine, self.folder.path(), self.port) {
                self.process = process;
                return;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("{:?} does not start again", self.engine);
    }

    /// Stops it in its tracks: it takes connections and never answers.
    pub(super) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Refuses what is written from now on, and goes on to answer what is read.
    pub(super) fn refuse_writes(&self) {
        match self.engine {
            Engine::Redis => self.redis(&["config", "set", "maxmemory", "1"]),
            Engine::Postgres => self.sql(
                "ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()",
            ),
        }
    }

    pub(super) fn accept_writes(&self) {
        match self.engine {
            Engine::Redis => self.redis(&["config", "set", "maxmemory", "0"]),
            Engine::Postgres => self.sql(
                "SET default_transaction_read_only = off; \
                 ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()",
            ),
        }
    }

    fn redis(&self, command: &[&str]) {
        let mut cli = Command::new("redis-cli");
        succeed(cli.args(["-p", &self.port.to_string()]).args(command));
    }

    fn sql(&self, statements: &str) {
        let mut psql = Command::new(postgres_bin().join("psql"));
        // Each by itself: ALTER SYSTEM runs in no transaction.
        for statement in statements.split("; ") {
            psql.args(["-c", statement]);
        }
        succeed(psql.args(["-q", "-v", "ON_ERROR_STOP=1", &self.url(self.port)]));
    }

    fn signal(&self, name: &str) {
        signal(self.process.id(), name);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("KILL");
        let _ = self.process.wait();
    }
}

fn run(engine: Engine, folder: &Path, port: u16) -> Option<Child> {
    let port_text = port.to_string();
    let mut command = match engine {
        Engine::Redis => {
            let mut command = Command::new(redis_program());
            command.args(["--bind", "127.0.0.1", "--port", &port_text, "--save", ""]);
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
            command.arg("--dir").arg(folder);
            command
        }
        Engine::Postgres => {
            let mut command = Command::new(postgres_bin().join("postgres"));
            command.arg("-D").arg(folder.join("data")).args(["-p", &port_text]);
            command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
            as_ordinary_user(&mut command);
            command
        }
    };
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // However busy the machine is.
    for _ in 0..2400 {
        if process.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() && is_ready(engine, port) {
            return Some(process);
        }
        sleep(Duration::from_millis(50));
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

/// It listens before it answers: it may still read what it wrote before a crash.
fn is_ready(engine: Engine, port: u16) -> bool {
    let port = port.to_string();
    let mut command = match engine {
        Engine::Redis => {
            let mut command = Command::new("redis-cli");
            command.args(["-e", "-p", &port, "ping"]);
            command
        }
        Engine::Postgres => {
            let mut command = Command::new(postgres_bin().join("pg_isready"));
            command.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            command
        }
    };
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}
