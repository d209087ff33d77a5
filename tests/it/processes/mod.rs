//! Programs that tests start, and what these need.

#[cfg(any(feature = "postgres-tls", feature = "redis-tls"))]
pub(crate) mod certificates;
#[cfg(feature = "redis")]
pub(crate) mod redis_nodes;
#[cfg(feature = "redis")]
pub(crate) mod redis_servers;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A port that nobody has, below those that the system gives to whoever connects: a server that is
/// started again must find it free. Somebody else may be faster to take it.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = 20_000 + (RandomState::new().build_hasher().finish() % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What is started as a server: Redis, or Valkey.
pub(crate) fn redis_program() -> String {
    std::env::var("CURFEW_TEST_REDIS_PROGRAM").unwrap_or_else(|_| "redis-server".to_owned())
}

pub(crate) fn create_cluster(folder: &Path) {
    let mut own = Command::new("chown");
    if let Some(user) = ordinary_user() {
        succeed(own.arg(user.to_string()).arg(folder));
    }
    let mut initdb = Command::new(postgres_bin().join("initdb"));
    initdb.arg("-D").arg(folder.join("data"));
    initdb.args(["-U", "curfew", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    as_ordinary_user(&mut initdb);
    succeed(initdb.current_dir(folder));
}

/// PostgreSQL refuses to run as root.
pub(crate) fn as_ordinary_user(command: &mut Command) {
    if let Some(user) = ordinary_user() {
        command.uid(user).gid(user);
    }
}

pub(crate) fn ordinary_user() -> Option<u32> {
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap()
    };
    (id(&["-u"]) == 0).then(|| id(&["-u", "postgres"]))
}

/// Debian keeps its programs out of the path.
pub(crate) fn postgres_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let folder = versions.map(|version| version.unwrap().path().join("bin"));
    folder.filter(|folder| folder.join("postgres").exists()).max().unwrap()
}

fn children_of(parent: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // `pid (name) state ppid …`; it may be gone by now.
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        if after_name.split_whitespace().nth(1) == Some(&parent.to_string()) {
            children.push(id);
        }
    }
    children
}

pub(crate) fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Sends a signal to a process and to its children: those of PostgreSQL are in groups of their own.
pub(crate) fn signal(process: u32, signal: &str) {
    for id in [process].into_iter().chain(children_of(process)) {
        let mut kill = Command::new("kill");
        // One of them may have gone by itself.
        let _ = kill.args([&format!("-{signal}"), &id.to_string()]).stderr(Stdio::null()).status();
    }
}
