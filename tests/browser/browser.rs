//! A headless Chromium that starts empty and leaves nothing behind.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

pub(crate) struct Browser {
    client: Client,
    // Dropped first of the two: Chromium writes to its profile until it is gone.
    _driver: Driver,
    _profile: TempDir,
}

/// What the person has chosen.
#[derive(Clone, Copy, Default)]
pub(crate) struct Profile {
    /// Pretends to be another browser.
    pub(crate) user_agent: Option<&'static str>,
    /// Whether scripts of pages are switched off in the settings.
    pub(crate) without_javascript: bool,
}

impl Browser {
    /// Says what is missing if it cannot be started on this machine.
    pub(crate) fn is_installed() -> Result<(), String> {
        installed(CHROMIUM).and(installed(CHROMEDRIVER)).map(drop)
    }

    pub(crate) async fn start(wanted: Profile) -> Self {
        let chromium = installed(CHROMIUM).unwrap();
        let driver = Driver::start(installed(CHROMEDRIVER).unwrap());
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--window-size=1100,900".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let javascript = if wanted.without_javascript { 2 } else { 1 };
        let options = json!({
            "binary": chromium,
            "args": arguments,
            "prefs": { "profile.managed_default_content_settings.javascript": javascript },
        });
        let capabilities = [("goog:chromeOptions".to_owned(), options)].into_iter().collect();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .unwrap();
        let browser = Self { client, _driver: driver, _profile: profile };
        if let Some(agent) = wanted.user_agent {
            // Not on the command line: then the client hints would still tell the truth.
            let parameters = json!({ "userAgent": agent });
            browser.devtools("Emulation.setUserAgentOverride", parameters).await;
        }
        browser
    }

    /// A command for the developer tools, about the current tab.
    pub(crate) async fn devtools(&self, command: &'static str, parameters: Value) {
        self.client.issue_cmd(Devtools { command, parameters }).await.unwrap();
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

#[derive(Debug)]
struct Devtools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _url: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.parameters });
        (Method::POST, Some(body.to_string()))
    }
}

const CHROMIUM: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
const CHROMEDRIVER: &[&str] = &["chromedriver"];

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
