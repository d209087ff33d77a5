//! A PgBouncer that a test owns.

use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::processes::free_port;

/// Gives out connections to a server of 127.0.0.1 for a transaction at a time. It is killed when it
/// is dropped.
pub struct PgBouncer {
    port: u16,
    process: Child,
    _folder: TempDir,
}

impl PgBouncer {
    /// `None` if it is not installed; then the test says that it is skipped.
    pub fn before(server: u16, connections: usize) -> Option<Self> {
        use std::io::Write as _;

        let Some(program) = program() else {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("a test");
            // Not by a macro: what a test prints that way is shown only if it fails.
            let _ = writeln!(std::io::stderr(), "skipped: {test}; install pgbouncer");
            return None;
        };
        // Somebody else may take a free port before it does.
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let port = free_port();
            let config = folder.path().join("pgbouncer.ini");
            let users = folder.path().join("users.txt");
            std::fs::write(&users, "\"curfew\" \"\"\n").unwrap();
            let text = format!(
                "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = trust\nauth_file = {}\npool_mode = transaction\n\
                 default_pool_size = {connections}\nmax_client_conn = 1000\n\
                 server_login_retry = 1\n",
                users.display()
            );
            std::fs::write(&config, text).unwrap();
            if let Some(process) = started(&program, folder.path(), &config, port) {
                return Some(Self { port, process, _folder: folder });
            }
        }
        panic!("PgBouncer does not start");
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn started(program: &Path, folder: &Path, config: &Path, port: u16) -> Option<Child> {
    let mut command = Command::new(program);
    command.arg("-q").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
    // It refuses to run as root.
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap()
    };
    if id(&["-u"]) == 0 {
        let user = id(&["-u", "postgres"]);
        let owned = Command::new("chown").args(["-R", &user.to_string()]).arg(folder).status();
        assert!(owned.unwrap().success());
        command.uid(user).gid(user);
    }
    let mut process = command.spawn().unwrap();
    // However busy the machine is.
    for _ in 0..2400 {
        if process.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

/// Debian keeps it where only root looks.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.exists())
}
