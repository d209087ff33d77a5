//! Servers of the tests' own, which they may fill, stop and kill.

use std::io::ErrorKind;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use super::support::{Place, raw, skipped};
use crate::processes::{free_port, redis_program};

/// A server that ends with this.
pub(super) struct Server {
    folder: TempDir,
    port: u16,
    options: Vec<&'static str>,
    child: Child,
}

/// `None` if there is no `redis-server` here.
pub(super) async fn server(test: &str, options: &[&'static str]) -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let options = options.to_vec();
    // Somebody else may take a free port before the server does.
    for _ in 0..5 {
        let port = free_port();
        let mut child = match spawn(&folder, port, &options) {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                skipped(test, "there is no redis-server here");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        if is_ready(port, &mut child).await {
            return Some(Server { folder, port, options, child });
        }
    }
    panic!("the server does not start");
}

pub(super) fn url_at(port: u16) -> String {
    format!("redis://127.0.0.1:{port}/")
}

fn spawn(folder: &TempDir, port: u16, options: &[&str]) -> std::io::Result<Child> {
    Command::new(redis_program())
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(options)
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
}

async fn is_ready(port: u16, child: &mut Child) -> bool {
    let client = redis::Client::open(url_at(port)).unwrap();
    for _ in 0..6000 {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if let Ok(mut raw) = client.get_multiplexed_async_connection().await {
            match redis::cmd("PING").query_async::<String>(&mut raw).await {
                Ok(_) => return true,
                Err(error) if error.code() == Some("NOAUTH") => return true,
                Err(_) => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

impl Server {
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        url_at(self.port)
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(super) async fn place(&self) -> Place {
        Place::at(&self.url()).await
    }

    pub(super) async fn raw(&self) -> MultiplexedConnection {
        raw(&self.url()).await
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) async fn start_again(&mut self) {
        self.child = spawn(&self.folder, self.port, &self.options).unwrap();
        assert!(is_ready(self.port, &mut self.child).await, "the server does not start again");
    }

    /// From now on it takes connections and never answers.
    pub(super) fn freeze(&self) {
        self.signal("-STOP");
        // It may be about to answer still.
        while !self.is_stopped() {
            std::thread::yield_now();
        }
    }

    /// As `/proc` has it: `pid (name) state …`. Elsewhere there is nothing to look at.
    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        stat.is_ok_and(|stat| stat.rsplit(')').next().unwrap().starts_with(" T"))
            || cfg!(not(target_os = "linux"))
    }

    pub(super) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number out of what a server says of itself.
pub(super) async fn info(raw: &mut MultiplexedConnection, field: &str) -> u64 {
    let info: String = redis::cmd("INFO").query_async(raw).await.unwrap();
    let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap().trim().parse().unwrap()
}
