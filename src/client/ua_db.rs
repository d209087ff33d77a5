//! Names from a database of browsers, apps and platforms.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use http::HeaderMap;
use ua_parser::{Regexes, os, user_agent};

use super::device::{self, Device, Hints, NameDevice};

/// Names devices by the [uap-core] database, which the app brings along as its file
/// `regexes.yaml`.
///
/// It knows some hundred browsers and apps more than the default. Whatever the default knows it
/// names with the same words, and what the database does not know it leaves to the default.
///
/// [uap-core]: https://github.com/ua-parser/uap-core
pub struct UaDatabase {
    families: user_agent::Extractor<'static>,
    platforms: os::Extractor<'static>,
}

impl UaDatabase {
    /// Reads the file `regexes.yaml`. That takes a while and blocks: do it once, at start.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or it is another one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, UaDatabaseError> {
        let path = path.as_ref();
        Self::read(path).map_err(|obstacle| UaDatabaseError::new(path, obstacle))
    }

    fn read(path: &Path) -> Result<Self, Obstacle> {
        let text = fs::read_to_string(path).map_err(Obstacle::Unreadable)?;
        let regexes: Regexes<'static> =
            serde_saphyr::from_str(&text).map_err(|error| Obstacle::Foreign(error.into()))?;
        let families = user_agent::Builder::new().push_all(regexes.user_agent_parsers)?;
        let platforms = os::Builder::new().push_all(regexes.os_parsers);
        let platforms = platforms.map_err(ua_parser::Error::from)?;
        Ok(Self {
            families: families.build().map_err(ua_parser::Error::from)?,
            platforms: platforms.build().map_err(ua_parser::Error::from)?,
        })
    }

    fn family(&self, agent: &str) -> Option<String> {
        let family = self.families.extract(agent)?.family;
        if VAGUE_FAMILIES.contains(&&*family) {
            return None;
        }
        device::harmless(&family).map(str::to_owned)
    }

    fn platform(&self, agent: &str) -> Option<String> {
        let platform = self.platforms.extract(agent)?.os;
        let platform = match &*platform {
            "Mac OS X" => "macOS",
            "Chrome OS" => "ChromeOS",
            platform => platform,
        };
        device::harmless(platform).map(str::to_owned)
    }
}

impl NameDevice for UaDatabase {
    fn name_device(&self, headers: &HeaderMap) -> Option<String> {
        let agent = device::user_agent(headers);
        if let Some(name) = device::alone(&agent) {
            return Some(name);
        }
        let mut device = Device::of(&agent);
        if !device::is_well_known(&agent)
            && let Some(family) = self.family(&agent)
        {
            device.browser = Some(family);
        }
        device.platform = device.platform.or_else(|| self.platform(&agent));
        device.refine(&Hints::of(headers)).name()
    }
}

impl fmt::Debug for UaDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UaDatabase").finish_non_exhaustive()
    }
}

/// Browsers that others imitate and that the default knows, and libraries that apps are made with.
const VAGUE_FAMILIES: &[&str] = &[
    "Android",
    "Apple Mail",
    "CFNetwork",
    "Chrome",
    "Chrome Mobile",
    "Chrome Mobile WebView",
    "Chrome Mobile iOS",
    "Electron",
    "Firefox",
    "Firefox Mobile",
    "Firefox iOS",
    "IE",
    "IE Mobile",
    "Mobile Safari",
    "Mobile Safari UI/WKWebView",
    "Safari",
];

/// A file is not there or is not `regexes.yaml` of uap-core. The text names the file and says what
/// to do; the cause is the [`source`](StdError::source).
#[derive(Debug, thiserror::Error)]
#[error("cannot read the uap-core database {}: {advice}", path.display())]
pub struct UaDatabaseError {
    path: PathBuf,
    advice: &'static str,
    source: Box<dyn StdError + Send + Sync>,
}

/// What stands in the way of reading a file.
enum Obstacle {
    Unreadable(io::Error),
    /// It is not YAML, or has other fields.
    Foreign(Box<dyn StdError + Send + Sync>),
    /// An expression cannot be compiled.
    Unusable(ua_parser::Error),
}

impl From<ua_parser::Error> for Obstacle {
    fn from(error: ua_parser::Error) -> Self {
        Self::Unusable(error)
    }
}

impl UaDatabaseError {
    fn new(path: &Path, obstacle: Obstacle) -> Self {
        let (advice, source) = match obstacle {
            Obstacle::Unreadable(error) => (advice(path, &error), error.into()),
            Obstacle::Foreign(error) => (FOREIGN, error),
            Obstacle::Unusable(error) => (
                "it has an expression that cannot be used; take that of another release",
                error.into(),
            ),
        };
        Self { path: path.to_owned(), advice, source }
    }
}

fn advice(path: &Path, error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "it does not exist; download `regexes.yaml` of uap-core and give the path of that"
        }
        io::ErrorKind::PermissionDenied => "let this process read it",
        io::ErrorKind::InvalidData => FOREIGN,
        _ if path.is_dir() => "it is a folder; give the path of the file `regexes.yaml` in it",
        _ => "see the source of this error",
    }
}

const FOREIGN: &str = "it is not `regexes.yaml` of uap-core, or a damaged one; download it again";

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

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

    fn write(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("regexes.yaml");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn name(database: &UaDatabase, agent: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        database.name_device(&headers)
    }

    #[test]
    fn the_database_adds_names_to_those_of_the_default() {
        let (_folder, path) = write(SMALL.as_bytes());
        let database = UaDatabase::open(path).unwrap();
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; SunOS sun4u) Gecko/20050921 Netscape/8.1", "Netscape on Linux"),
            ("Thing/1.0 (SunOS)", "Thing on Solaris"),
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
    fn hints_refine_what_the_database_says() {
        let (_folder, path) = write(SMALL.as_bytes());
        let database = UaDatabase::open(path).unwrap();
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
            let (_folder, path) = write(text);
            refuses(&path);
        }
        let folder = tempfile::tempdir().unwrap();
        refuses(folder.path());
        let missing = folder.path().join("missing.yaml");
        assert!(refuses(&missing).contains("it does not exist"));
    }

    fn refuses(path: &Path) -> String {
        let error = UaDatabase::open(path).unwrap_err();
        assert!(error.source().is_some());
        let text = error.to_string();
        let start = format!("cannot read the uap-core database {}: ", path.display());
        assert!(text.starts_with(&start) && !text.ends_with('.'), "{text}");
        text
    }
}
