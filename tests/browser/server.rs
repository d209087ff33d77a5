//! An example as a process of its own, with files of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Server {
    how: How,
    files: TempDir,
    process: Child,
    port: u16,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Builds the example and starts it on a free port. `{address}` in an argument or variable
    /// stands for where it shall listen.
    pub(crate) fn start(
        example: &str,
        arguments: &[&str],
        variables: &[(&'static str, &'static str)],
    ) -> Self {
        let files = tempfile::tempdir().unwrap();
        let how = How {
            program: built(example),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            variables: variables.to_vec(),
        };
        let said = Arc::default();
        let (process, port) = how.spawn(&files, 0, &said);
        Self { how, files, process, port, said }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// As `kill -9` does it. The files and the port stay the same.
    pub(crate) fn kill_and_start_again(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        (self.process, _) = self.how.spawn(&self.files, self.port, &self.said);
    }

    /// What it has printed until now.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The answer to a navigation with this header.
    pub(crate) async fn visit(&self, path: &str, header: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n{header}\r\n\
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

/// Where it is. Each is built once, however many tests want it at the same time.
fn built(example: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(example.to_owned()).or_insert_with(|| build(example)).clone()
}

fn build(example: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = Command::new(cargo)
        .args(["build", "--package", "tower-curfew-examples", "--example", example])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(build.status.success(), "the example {example} does not build");
    build
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find_map(|message| Some(message["executable"].as_str()?.into()))
        .expect("cargo says where the example is")
}

struct How {
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
}

impl How {
    fn spawn(&self, files: &TempDir, port: u16, said: &Arc<Mutex<String>>) -> (Child, u16) {
        let address = format!("127.0.0.1:{port}");
        let fill = |text: &str| text.replace("{address}", &address);
        let mut process = Command::new(&self.program)
            .args(self.arguments.iter().map(|argument| fill(argument)))
            .envs(self.variables.iter().map(|(name, value)| (name, fill(value))))
            .current_dir(files)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let port = line
            .split_once("127.0.0.1:")
            .and_then(|(_, rest)| rest.trim_end().split(',').next()?.parse().ok())
            .unwrap_or_else(|| panic!("the example does not say where it listens: {line:?}"));
        // Somebody has to read on, or it cannot print any more.
        let said = said.clone();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                *said.lock().unwrap() += &format!("{line}\n");
            }
        });
        (process, port)
    }
}
