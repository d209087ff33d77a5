//! A PostgreSQL that encrypts, with certificates that the test has made.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::processes::certificates::write_certificates;
use crate::processes::{
    as_ordinary_user, create_cluster, free_port, ordinary_user, postgres_bin, succeed,
};

/// It vouches for itself as `localhost`, and for nothing else. It is killed when it is dropped.
pub(super) struct TlsServer {
    folder: TempDir,
    pub(super) port: u16,
    process: Child,
}

impl TlsServer {
    /// The role `curfew` may come on any way, `encrypted` only with encryption, and `certified` only
    /// with a certificate in its name.
    pub(super) async fn start() -> Self {
        let server = tokio::task::spawn_blocking(Self::run).await.unwrap();
        let client = server.client().await;
        client
            .batch_execute("CREATE ROLE encrypted LOGIN; CREATE ROLE certified LOGIN")
            .await
            .unwrap();
        client.batch_execute("GRANT CREATE ON DATABASE postgres TO PUBLIC").await.unwrap();
        server
    }

    fn run() -> Self {
        let folder = tempfile::tempdir().unwrap();
        create_cluster(folder.path());
        write_keys(folder.path());
        let data = folder.path().join("data");
        let rules = "host all curfew 127.0.0.1/32 trust\n\
                     hostssl all encrypted 127.0.0.1/32 trust\n\
                     hostssl all certified 127.0.0.1/32 cert\n";
        std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
        // Somebody else may take a free port before the server does.
        for _ in 0..5 {
            let port = free_port();
            let mut command = Command::new(postgres_bin().join("postgres"));
            command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
            let file = |name| folder.path().join(name).display().to_string();
            for setting in [
                "listen_addresses=127.0.0.1".to_owned(),
                "unix_socket_directories=".to_owned(),
                "fsync=off".to_owned(),
                "ssl=on".to_owned(),
                format!("ssl_cert_file={}", file("server.pem")),
                format!("ssl_key_file={}", file("server.key")),
                format!("ssl_ca_file={}", file("authority.pem")),
            ] {
                command.args(["-c", &setting]);
            }
            as_ordinary_user(&mut command);
            let null = command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut process = null.spawn().unwrap();
            if is_ready(&mut process, port) {
                return Self { folder, port, process };
            }
        }
        panic!("PostgreSQL does not start");
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The connection string for a role, by the name that the certificate has.
    pub(super) fn url(&self, role: &str, options: &str) -> String {
        format!("postgres://{role}@localhost:{}/postgres?{options}", self.port)
    }

    /// Without encryption.
    pub(super) async fn client(&self) -> Client {
        let url = self.url("curfew", "sslmode=disable");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        // At once, and its children go with it.
        let mut quit = Command::new("kill");
        let _ = quit.args(["-QUIT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

fn is_ready(process: &mut Child, port: u16) -> bool {
    // However busy the machine is.
    for _ in 0..2400 {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        let mut ask = Command::new(postgres_bin().join("pg_isready"));
        ask.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
        if ask.status().unwrap().success() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn write_keys(folder: &Path) {
    write_certificates(folder);
    // The server takes no key that others may read.
    succeed(Command::new("chmod").arg("600").arg(folder.join("server.key")));
    if let Some(user) = ordinary_user() {
        succeed(Command::new("chown").arg("-R").arg(user.to_string()).arg(folder));
    }
}
