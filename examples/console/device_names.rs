//! Names of devices by the database of uap-core, which knows some hundred browsers and apps more
//! than the crate: <https://github.com/ua-parser/uap-core>, its file `regexes.yaml`.
//!
//! It needs nothing of the rest of the console. Take it as it is, and give it to
//! `Curfew::builder(…).name_devices_with(…)`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use tower_curfew::client::{NameDevice, WellKnown};
use ua_parser::{Regexes, os, user_agent};

/// Names the browser as the database does, or else the device as the crate does.
pub(crate) struct UaDatabase {
    browsers: user_agent::Extractor<'static>,
    platforms: os::Extractor<'static>,
}

impl UaDatabase {
    /// Reads the file `regexes.yaml`. That takes a while and blocks: do it once, at start.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or it is another one.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        Self::read(path)
            .with_context(|| format!("cannot read the uap-core database {}", path.display()))
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).context("give the path of its `regexes.yaml`")?;
        let regexes: Regexes<'static> = serde_saphyr::from_str(&text)
            .context("it is not `regexes.yaml` of uap-core, or a damaged one")?;
        let browsers = user_agent::Builder::new().push_all(regexes.user_agent_parsers)?;
        let platforms = os::Builder::new().push_all(regexes.os_parsers)?;
        Ok(Self { browsers: browsers.build()?, platforms: platforms.build()? })
    }

    fn named_by_the_database(&self, headers: &HeaderMap) -> Option<String> {
        let agent = headers.get(USER_AGENT)?.to_str().ok()?;
        // Real ones are shorter, and each expression may have to look at all of it.
        let agent = agent.get(..512).unwrap_or(agent);
        let browser = self.browsers.extract(agent)?.family;
        if LEFT_TO_THE_CRATE.iter().any(|family| browser.contains(family)) || !is_name(&browser) {
            return None;
        }
        let platform = self.platforms.extract(agent).map(|platform| platform.os);
        Some(match platform.as_deref() {
            Some("Mac OS X") => format!("{browser} on macOS"),
            Some(platform) if is_name(platform) => format!("{browser} on {platform}"),
            _ => browser.into_owned(),
        })
    }
}

impl NameDevice for UaDatabase {
    fn name_device(&self, headers: &HeaderMap) -> Option<String> {
        self.named_by_the_database(headers).or_else(|| WellKnown.name_device(headers))
    }
}

/// In the names of what the crate tells apart better: browsers that others imitate, or that say in
/// client hints which they are and on which Windows; libraries that apps are made with; robots.
const LEFT_TO_THE_CRATE: [&str; 14] = [
    "Android",
    "Apple",
    "Bot",
    "CFNetwork",
    "Chrome",
    "Chromium",
    "Edge",
    "Electron",
    "Firefox",
    "IE",
    "Opera",
    "Safari",
    "Samsung",
    "bot",
];

/// Whether it is short and cannot be mistaken for anything but a name: expressions take names out
/// of what a stranger says.
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '+');
    text.len() <= 30 && text.chars().all(is_plain) && text.contains(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const SMALL: &str = r"
user_agent_parsers:
  - regex: '(Netscape)/(\d+)\.(\d+)'
  - regex: '(Chrome)/(\d+)\.(\d+)'
  - regex: '(<b>)'
os_parsers:
  - regex: '(SunOS)'
    os_replacement: 'Solaris'
  - regex: '(Mac OS X)'
device_parsers: []
";

    fn opened(text: &[u8]) -> anyhow::Result<UaDatabase> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("regexes.yaml");
        fs::write(&path, text).unwrap();
        UaDatabase::open(&path)
    }

    fn name(database: &UaDatabase, agent: &'static str) -> Option<String> {
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))]);
        database.name_device(&headers)
    }

    #[test]
    fn the_database_adds_names_to_those_of_the_crate() {
        let database = opened(SMALL.as_bytes()).unwrap();
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; SunOS sun4u) Netscape/8.1", "Netscape on Solaris"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_5) Netscape/8.1", "Netscape on macOS"),
            ("Netscape/8.1", "Netscape"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/131.0", "Chrome on macOS"),
            ("Mozilla/5.0 (Windows NT 10.0) Chrome/131.0 Edg/131.0", "Edge on Windows"),
            ("Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)", "GPTBot"),
            ("Thing/1.0 <b>", "Thing"),
        ] {
            assert_eq!(name(&database, agent).as_deref(), Some(expected), "{agent}");
        }
        assert_eq!(name(&database, ""), None);
    }

    #[test]
    fn client_hints_are_read_where_the_crate_names() {
        let database = opened(SMALL.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0 Safari/537.36"),
            ("sec-ch-ua", r#""Brave";v="131", "Chromium";v="131", "Not_A Brand";v="24""#),
            ("sec-ch-ua-platform", r#""Windows""#),
            ("sec-ch-ua-platform-version", r#""19.0.0""#),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(database.name_device(&headers).as_deref(), Some("Brave on Windows 11"));
    }

    #[test]
    fn another_file_is_an_error_that_names_it() {
        for text in [
            &b""[..],
            b"hello",
            b"{ \"name\": \"json\" }",
            b"\xff\xfe\x00",
            &SMALL.as_bytes()[..SMALL.len() / 2],
            b"user_agent_parsers: [{regex: '('}]\nos_parsers: []\ndevice_parsers: []\n",
            b"user_agent_parsers: []\nos_parsers: [{regex: '['}]\ndevice_parsers: []\n",
        ] {
            let error = opened(text).err().expect("this is not regexes.yaml");
            let text = format!("{error:#}");
            assert!(text.starts_with("cannot read the uap-core database /"), "{text}");
            assert!(text.contains("regexes.yaml: "), "{text}");
        }
    }
}
