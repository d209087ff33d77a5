//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use clap::{Parser, Subcommand};
use time::Duration;
use tower_curfew::client::ForwardedHeader;
use tower_curfew::clock::Clock;
use tower_curfew::store::{MemoryStore, PostgresStore, RedisStore, SqliteStore, Store};
use tower_curfew::{Builder, Curfew, Keyring, Limits, SessionId};

use crate::copying::Copying;
use crate::device_names::UaDatabase;
use crate::keys::Checking;
use crate::operator::{Listing, Revoking};
use crate::places::GeoIp;

/// Sessions to look at: a small app with the pages that people and admins know.
#[derive(Parser)]
#[command(name = "console", args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3000")]
    pub(crate) addr: String,
    /// Where those who run the app find its figures and whether it is ready; keep it to yourself
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) operations: Option<String>,
    /// Where sessions are kept: memory, sqlite:FILE, postgres://… or redis://…
    #[arg(long, value_name = "STORE", default_value = "sqlite:console.db")]
    store: StoreAt,
    /// How long after the sign-in sessions end; without it, whenever they fall idle
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    absolute: Option<Duration>,
    /// How long without activity until sessions end
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "28d")]
    idle: Duration,
    /// How often the cookie is sent anew
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1h")]
    refresh: Duration,
    /// The shortest limit that an organization's admin may set
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    policy_minimum: Duration,
    /// A database in MaxMind's format, for locations
    #[arg(long, value_name = "FILE")]
    geoip: Option<PathBuf>,
    /// The file regexes.yaml of uap-core, for names of more browsers and apps
    #[arg(long, value_name = "FILE")]
    ua_db: Option<PathBuf>,
    /// A network of proxies whose X-Forwarded-For is believed; may be given again
    #[arg(long, value_name = "CIDR")]
    trust_proxy: Vec<String>,
    /// The key that signs cookies; made if it is missing
    #[arg(long, value_name = "FILE", default_value = "console.key")]
    key_file: PathBuf,
    /// For plain http on other hosts than localhost: anybody on the way can take over sessions
    #[arg(long)]
    insecure_cookie: bool,
    /// Begin with sessions of the last weeks, to have something to look at; with --store memory alone
    #[arg(long)]
    pub(crate) sample: bool,
    /// Print what is kept of this session, and leave
    #[arg(long, value_name = "ID")]
    pub(crate) show_session: Option<SessionId>,
}

/// What to do instead of serving the app.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Copy all sessions and policies from one store into another; stop the app first
    Copy(Copying),
    /// See whether a node could start with a key file, before you give it to one
    CheckKeys(Checking),
    /// Show the sessions of a user or of an organization
    List(Listing),
    /// End sessions, from their next request on, while the app runs
    Revoke(Revoking),
}

impl Command {
    /// Does it, and says what was done.
    pub(crate) async fn run(&self) -> anyhow::Result<String> {
        match self {
            Self::Copy(copying) => Ok(format!("{}\n", copying.run().await?)),
            Self::CheckKeys(checking) => checking.run(),
            Self::List(listing) => listing.run().await,
            Self::Revoke(revoking) => revoking.run().await,
        }
    }
}

impl Options {
    /// What the app itself demands of sessions.
    pub(crate) fn limits(&self) -> anyhow::Result<Limits> {
        let limits = Limits::try_new(self.absolute, Some(self.idle));
        limits.context("give --absolute and --idle longer than nothing, and at most 36500d")
    }

    /// The handle on the sessions in the store that is asked for.
    pub(crate) async fn open(&self, clock: impl Clock) -> anyhow::Result<Curfew> {
        // Elsewhere they would come again with each start, or the clock is that of a server.
        let is_fresh = self.store == StoreAt::Memory;
        anyhow::ensure!(is_fresh || !self.sample, "give --sample together with --store memory");
        let keyring = Keyring::load_or_create(&self.key_file)?;
        let builder = self.store.builder(keyring).await?;
        let mut builder = builder
            .clock(clock)
            .limits(self.limits()?)
            .refresh_every(self.refresh)
            .policy_bounds(self.policy_minimum, Duration::days(400));
        if let Some(file) = &self.geoip {
            builder = builder.locate_with(GeoIp::open(file)?);
        }
        if let Some(file) = &self.ua_db {
            builder = builder.name_devices_with(UaDatabase::open(file)?);
        }
        if !self.trust_proxy.is_empty() {
            builder = builder.trust_proxies(&self.trust_proxy, ForwardedHeader::XForwardedFor);
        }
        if self.insecure_cookie {
            builder = builder.insecure_cookie();
        }
        Ok(builder.build()?)
    }

    /// What the store keeps of a session, for whoever runs the app.
    pub(crate) async fn facts(&self, session: SessionId) -> anyhow::Result<String> {
        let loaded = match &self.store {
            StoreAt::Memory => anyhow::bail!(NO_MEMORY),
            StoreAt::Sqlite(file) => SqliteStore::open(file).await?.load(session).await?,
            StoreAt::Postgres(url) => PostgresStore::connect(url).await?.load(session).await?,
            StoreAt::Redis(url) => RedisStore::connect(url).await?.load(session).await?,
        };
        let loaded = loaded.context("there is no such session, or no more")?;
        Ok(loaded.record.display().to_string())
    }
}

/// What is said where an app is to be running on a store.
pub(crate) const NO_MEMORY: &str =
    "the memory of another process is out of reach; give sqlite:FILE, postgres://… or redis://…";

/// Where sessions are kept. It may hold a password, so it is not `Debug`.
#[derive(Clone, PartialEq)]
pub(crate) enum StoreAt {
    Memory,
    Sqlite(PathBuf),
    Postgres(String),
    Redis(String),
}

impl StoreAt {
    /// A handle in the making on the sessions there.
    pub(crate) async fn builder(&self, keyring: Keyring) -> anyhow::Result<Builder> {
        Ok(match self {
            Self::Memory => Curfew::builder(MemoryStore::new(), keyring),
            Self::Sqlite(file) => Curfew::builder(SqliteStore::open(file).await?, keyring),
            Self::Postgres(url) => Curfew::builder(PostgresStore::connect(url).await?, keyring),
            Self::Redis(url) => Curfew::builder(RedisStore::connect(url).await?, keyring),
        })
    }

    /// Refuses a store that no app has, of which `option` tells.
    pub(crate) fn must_exist(&self, option: &str) -> anyhow::Result<()> {
        match self {
            Self::Memory => anyhow::bail!(NO_MEMORY),
            // Or it would be created.
            Self::Sqlite(file) if !file.exists() => {
                anyhow::bail!("there is no file {}; check {option}", file.display())
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for StoreAt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let is = |schemes: &[&str]| schemes.iter().any(|scheme| text.starts_with(scheme));
        match text.strip_prefix("sqlite:") {
            Some("") => Err("name the file, as in sqlite:console.db"),
            Some(file) => Ok(Self::Sqlite(file.into())),
            None if text == "memory" => Ok(Self::Memory),
            None if is(&["postgres://", "postgresql://"]) => Ok(Self::Postgres(text.to_owned())),
            // One server, its socket, a cluster, or Sentinels.
            None if is(&["redis", "unix://"]) && text.contains("://") => {
                Ok(Self::Redis(text.to_owned()))
            }
            None => Err("give memory, sqlite:FILE, postgres://…, redis://…, redis-cluster://… or \
                         redis-sentinel://…"),
        }
    }
}

/// A whole number with a unit: `3s`, `15m`, `12h`, `7d`.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const ADVICE: &str = "give a whole number and a unit, such as 3s, 15m, 12h or 7d";
    let unit = text.chars().last().ok_or(ADVICE)?;
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok());
    let number = i64::from(number.ok_or(ADVICE)?);
    match unit {
        's' => Ok(Duration::seconds(number)),
        'm' => Ok(Duration::minutes(number)),
        'h' => Ok(Duration::hours(number)),
        'd' => Ok(Duration::days(number)),
        _ => Err(ADVICE),
    }
}

#[cfg(test)]
mod tests {
    use tower_curfew::NewSession;
    use tower_curfew::clock::SystemClock;

    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        let words = ["console"].into_iter().chain(line.split_whitespace());
        Options::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_it_is_a_file_here_and_28_days() {
        let options = parsed("").ok().unwrap();
        assert_eq!(options.addr, "127.0.0.1:3000");
        assert!(options.store == StoreAt::Sqlite("console.db".into()));
        assert_eq!(options.limits().unwrap(), Limits::default());
    }

    #[tokio::test]
    async fn a_session_is_shown_with_what_is_kept_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let line = format!("--store sqlite:{} --key-file {}", at("console.db"), at("console.key"));
        let options = parsed(&line).ok().unwrap();
        let curfew = options.open(SystemClock).await.unwrap();
        let new = NewSession::for_user("ada").named("laptop");
        let issued = curfew.operator("support: grace").issue_token(new).await.unwrap();
        let shown = parsed(&format!("{line} --show-session {}", issued.id())).ok().unwrap();
        let facts = shown.facts(shown.show_session.unwrap()).await.unwrap();
        assert!(facts.contains("user          ada\n") && facts.contains("laptop"), "{facts}");
        let nobody = shown.facts(SessionId::from_bytes([0; 16])).await.unwrap_err();
        assert!(nobody.to_string().contains("no such session"), "{nobody}");
    }

    #[tokio::test]
    async fn a_sample_is_refused_where_it_would_come_again_with_each_start() {
        for line in ["--sample", "--sample --store redis://127.0.0.1:1/"] {
            let error = parsed(line).ok().unwrap().open(SystemClock).await.err().unwrap();
            assert!(error.to_string().contains("--store memory"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_key_file_is_looked_at_before_a_node_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.key");
        Keyring::load_or_create(&file).unwrap();
        let line = format!("check-keys --key-file {}", file.display());
        let checked = async || parsed(&line).ok().unwrap().command.unwrap().run().await;
        assert_eq!(checked().await.unwrap(), "Keyring(1 key)\n");
        std::fs::write(&file, "c2hvcnQ=").unwrap();
        assert!(checked().await.unwrap_err().to_string().contains("needs at least 32"));
        std::fs::remove_file(&file).unwrap();
        assert!(checked().await.unwrap_err().to_string().contains("does not exist"));
        assert!(!file.exists(), "and it is not created");
    }

    #[test]
    fn durations_and_stores() {
        let line = "--absolute 7d --idle 20s --refresh 15m --policy-minimum 12h --store memory";
        let options = parsed(line).ok().unwrap();
        let limits = Limits::absolute(Duration::WEEK).and_idle(Duration::seconds(20));
        assert_eq!(options.limits().unwrap(), limits);
        assert_eq!(options.refresh, Duration::minutes(15));
        assert_eq!(options.policy_minimum, Duration::hours(12));
        assert!(options.store == StoreAt::Memory);
        for url in ["postgres://ada@localhost/db", "redis://localhost/"] {
            assert!(parsed(&format!("--store {url}")).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_says_what_to_do() {
        for wrong in ["", "7", "d", "-1d", "1.5h", "7w", "99999999999s", "7é"] {
            assert!(duration(wrong).unwrap_err().contains("such as 3s"), "{wrong}");
        }
        let error = parsed("--store mysql://localhost").err().unwrap();
        assert!(error.contains("give memory, sqlite:FILE"), "{error}");
        let error = parsed("--idle 0s").ok().unwrap().limits().unwrap_err();
        assert!(error.to_string().contains("--idle longer than nothing"), "{error}");
    }
}
