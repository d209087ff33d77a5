//! The example as a process of its own, with files of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Server {
    program: PathBuf,
    files: TempDir,
    process: Child,
    port: u16,
}

impl Server {
    /// Builds the example and starts it on a free port.
    pub(crate) fn start() -> Self {
        let program = built();
        let files = tempfile::tempdir().unwrap();
        let (process, port) = spawn(&program, &files, 0);
        Self { program, files, process, port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// As `kill -9` does it. The files and the port stay the same.
    pub(crate) fn kill_and_start_again(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        (self.process, _) = spawn(&self.program, &self.files, self.port);
    }

    /// The answer to a navigation with this cookie.
    pub(crate) async fn visit(&self, path: &str, cookie: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nCookie: {cookie}\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn built() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = Command::new(cargo)
        .args(["build", "--package", "tower-curfew-examples", "--example", "axum"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(build.status.success(), "the example does not build");
    build
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find_map(|message| Some(message["executable"].as_str()?.into()))
        .expect("cargo says where the example is")
}

fn spawn(program: &PathBuf, files: &TempDir, port: u16) -> (Child, u16) {
    let mut process = Command::new(program)
        .current_dir(files)
        .env("ADDR", format!("127.0.0.1:{port}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line
        .split_once("127.0.0.1:")
        .and_then(|(_, rest)| rest.split(',').next()?.parse().ok())
        .unwrap_or_else(|| panic!("the example does not say where it listens: {line:?}"));
    (process, port)
}
