//! PostgreSQL servers that a test owns: primaries and replicas, each on a port of its own.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::Client;

use super::support::{connect, setting};
use crate::processes::{
    as_ordinary_user, create_cluster, free_port, ordinary_user, postgres_bin, signal, succeed,
};

/// A server, killed when it is dropped.
pub(super) struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    /// A new primary. `None` if there is no server to test with; then the test says so.
    pub(super) fn start() -> Option<Self> {
        setting("CURFEW_TEST_POSTGRES")?;
        let folder = tempfile::tempdir().unwrap();
        create_cluster(folder.path());
        Some(Self::somewhere(folder))
    }

    /// A new replica of a primary.
    pub(super) fn replica_of(primary: &Self) -> Self {
        let folder = own_folder();
        copy(primary, folder.path());
        Self::somewhere(folder)
    }

    /// Makes this one, which is forgotten, a replica of a primary, at the port that it had.
    pub(super) fn becomes_replica_of(&mut self, primary: &Self) {
        self.kill();
        std::fs::remove_dir_all(self.folder.path().join("data")).unwrap();
        copy(primary, self.folder.path());
        self.start_again();
    }

    fn somewhere(folder: TempDir) -> Self {
        // Somebody else may take a free port before the server does.
        for _ in 0..5 {
            let port = free_port();
            if let Some(process) = run(folder.path(), port) {
                return Self { folder, port, process };
            }
        }
        panic!("no server starts");
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://curfew@127.0.0.1:{}/postgres", self.port)
    }

    pub(super) async fn client(&self) -> Client {
        connect(&self.url()).await
    }

    /// Runs statements, each by itself: `ALTER SYSTEM` runs in no transaction.
    pub(super) async fn run(&self, statements: &str) {
        let client = self.client().await;
        for statement in statements.split("; ") {
            client.batch_execute(statement).await.unwrap();
        }
    }

    /// Replaces who is let in. It is heeded when the settings are loaded again.
    pub(super) fn lets_in(&self, lines: &str) {
        std::fs::write(self.folder.path().join("data/pg_hba.conf"), lines).unwrap();
    }

    pub(super) fn promote(&self) {
        let mut promote = program("pg_ctl");
        promote.arg("promote").arg("-D").arg(self.folder.path().join("data"));
        succeed(promote.args(["-w", "-t", "60"]).current_dir(self.folder.path()));
    }

    /// `kill -9`, of its children too.
    pub(super) fn kill(&mut self) {
        self.signal("KILL");
        self.process.wait().unwrap();
    }

    pub(super) fn start_again(&mut self) {
        // A child of the killed one may still be there for a moment.
        for _ in 0..50 {
            if let Some(process) = run(self.folder.path(), self.port) {
                self.process = process;
                return;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("the server does not start again");
    }

    /// Stops it in its tracks: it takes connections and never answers.
    pub(super) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT");
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

fn run(folder: &Path, port: u16) -> Option<Child> {
    let mut postgres = program("postgres");
    postgres.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "autovacuum=off",
        "max_wal_senders=4",
        // One that is gone shall not hold up the end of another one.
        "wal_sender_timeout=2s",
    ] {
        postgres.args(["-c", setting]);
    }
    let mut process = postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // However busy the machine is.
    for _ in 0..2400 {
        if process.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() && is_ready(port) {
            return Some(process);
        }
        sleep(Duration::from_millis(50));
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

/// It listens before it answers.
fn is_ready(port: u16) -> bool {
    let mut ready = program("pg_isready");
    ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
    ready.status().unwrap().success()
}

fn copy(primary: &Server, folder: &Path) {
    let mut copy = program("pg_basebackup");
    copy.args(["-h", "127.0.0.1", "-p", &primary.port.to_string(), "-U", "curfew"]);
    copy.args(["-c", "fast", "-X", "stream", "-R", "--no-sync", "-D"]).arg(folder.join("data"));
    succeed(copy.current_dir(folder));
}

fn own_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if let Some(user) = ordinary_user() {
        succeed(Command::new("chown").arg(user.to_string()).arg(folder.path()));
    }
    folder
}

fn program(name: &str) -> Command {
    let mut command = Command::new(postgres_bin().join(name));
    as_ordinary_user(&mut command);
    command.current_dir("/");
    command
}
