//! A headless Chromium that starts empty and leaves nothing behind.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tempfile::TempDir;

pub(crate) struct Browser {
    client: Client,
    // Dropped first of the two: Chromium writes to its profile until it is gone.
    _driver: Driver,
    _profile: TempDir,
}

impl Browser {
    /// Says what is missing if it cannot be started on this machine.
    pub(crate) async fn start() -> Result<Self, String> {
        let chromium = installed(&["chromium", "chromium-browser", "google-chrome"])?;
        let driver = Driver::start(installed(&["chromedriver"])?);
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let options = json!({ "binary": chromium, "args": arguments });
        let capabilities = [("goog:chromeOptions".to_owned(), options)].into_iter().collect();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .unwrap();
        Ok(Self { client, _driver: driver, _profile: profile })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

/// The path of the first of these programs that is there.
fn installed(programs: &[&str]) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    programs
        .iter()
        .flat_map(|program| env::split_paths(&path).map(move |folder| folder.join(program)))
        .find(|file| file.is_file())
        .ok_or_else(|| format!("{} is not installed", programs.join(" or ")))
}

struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    fn start(program: PathBuf) -> Self {
        let mut process = Command::new(program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                let line = line.unwrap();
                let (_, port) = line.split_once("started successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver says on which port it listens");
        Self { process, port }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked in this way it closes the browser first.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }
        for _ in 0..100 {
            if let Ok(Some(_)) = self.process.try_wait() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
