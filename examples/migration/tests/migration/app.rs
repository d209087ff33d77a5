//! An app as a process of its own, with files of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) struct App {
    process: Child,
    port: u16,
    // Dropped last: the key of the sessions is there.
    _files: TempDir,
}

impl App {
    /// Starts a program on a free port.
    pub(crate) fn start(program: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .env("ADDR", "127.0.0.1:0")
            .current_dir(&files)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line
            .split_once("127.0.0.1:")
            .and_then(|(_, rest)| rest.split(',').next()?.parse().ok())
            .unwrap_or_else(|| panic!("{program} does not say where it listens: {line:?}"));
        Self { process, port, _files: files }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The answer of an app to a navigation to its first page with these headers.
pub(crate) async fn visit(port: u16, headers: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: text/html\r\n{headers}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
