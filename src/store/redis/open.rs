//! Connecting: to which server, under which prefix, and whether that server will do.

use std::fmt;
use std::sync::Arc;

use redis::Client;
use tokio::time::timeout;

use super::connections::{Connections, MAX_TIME_TO_CONNECT};
use super::error::{UNREACHABLE, refused};
use super::scripts::Scripts;
use super::{RedisStore, Shared};
use crate::clock::ServerClock;
use crate::store::open_error::OpenError;

/// A Redis store that is about to connect; made by [`RedisStore::options`].
#[derive(Clone)]
#[must_use = "nothing happens before `connect`"]
pub struct RedisOptions {
    address: String,
    prefix: String,
    checks_clock: bool,
}

impl RedisOptions {
    pub(super) fn new(address: String) -> Self {
        Self { address, prefix: "curfew:".into(), checks_clock: true }
    }

    /// What the names of all keys begin with; `curfew:` by default.
    ///
    /// Stores that share a database need prefixes of which none begins with another.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Leaves the server's clock out of it: for tests whose clock is moved by hand.
    ///
    /// Otherwise the store says with each record what time the server has, and refuses to insert and
    /// to purge for whoever is off by more than a minute.
    pub fn without_clock_check(self) -> Self {
        Self { checks_clock: false, ..self }
    }

    /// Connects to the server and looks whether it will do.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong and what to do about it.
    pub async fn connect(self) -> Result<RedisStore, OpenError> {
        let shared = self.shared().await?;
        Ok(RedisStore(Arc::new(shared)))
    }

    async fn shared(self) -> Result<Shared, OpenError> {
        if !is_prefix(&self.prefix) {
            return Err(refused(
                "the prefix must be 1 to 64 visible characters of ASCII, and no braces; give another one",
            ));
        }
        let client = Client::open(self.address)?;
        // For as long as a caller would wait for an answer.
        let looks = look(&client, &self.prefix);
        let knows_flags =
            timeout(MAX_TIME_TO_CONNECT * 2, looks).await.map_err(|_| refused(UNREACHABLE))??;
        let connections = Connections::new(client, Scripts::new(knows_flags));
        let prefix = self.prefix;
        // Braces keep them together on a cluster.
        let rules_keys =
            ["head", "bodies", "places"].map(|name| format!("{prefix}{{rules}}:{name}").into());
        let server_clock = ServerClock::new(self.checks_clock);
        Ok(Shared { connections, prefix, rules_keys, server_clock })
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a password.
        f.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("checks_clock", &self.checks_clock)
            .finish_non_exhaustive()
    }
}

/// Braces would choose the node of a cluster.
fn is_prefix(prefix: &str) -> bool {
    (1..=64).contains(&prefix.len())
        && prefix.chars().all(|c| c.is_ascii_graphic() && c != '{' && c != '}')
}

/// Looks whether the server will do, and what is there already; says whether scripts can carry flags.
async fn look(client: &Client, prefix: &str) -> Result<bool, OpenError> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").query_async(&mut connection).await?;
    let knows_flags = version(&info)?;
    // Before there were formats, all sessions were listed here by when they are due.
    let older: bool =
        redis::cmd("EXISTS").arg(format!("{prefix}purge")).query_async(&mut connection).await?;
    if older {
        return Err(refused(OLDER));
    }
    let format_key = format!("{prefix}format");
    let get = redis::cmd("GET").arg(&format_key).clone();
    let mut format: Option<u32> = get.query_async(&mut connection).await?;
    // A server that is full refuses every `SET`, also one that would do nothing.
    if format.is_none() {
        let mut set = redis::cmd("SET");
        set.arg(&format_key).arg(FORMAT).arg("NX");
        let _: Option<String> = set.query_async(&mut connection).await?;
        format = Some(get.query_async(&mut connection).await?);
    }
    match format.unwrap_or_default() {
        FORMAT => Ok(knows_flags),
        newer if FORMAT < newer => Err(refused(NEWER)),
        _ => Err(refused(OLDER)),
    }
}

/// The format of the keys. Another one is refused.
const FORMAT: u32 = 2;

const OLDER: &str = "the keys under its prefix have the format of a version before the first release; \
                     give another prefix, or delete them, which signs everybody out";
const NEWER: &str = "a newer version of tower-curfew has written the keys under its prefix; upgrade \
                     tower-curfew here as well";

/// Refuses a server that will not do; says whether scripts can carry flags.
fn version(info: &str) -> Result<bool, OpenError> {
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let mut numbers = field("redis_version").unwrap_or_default().split('.').map(str::parse::<u32>);
    let mut number = || numbers.next().and_then(Result::ok).unwrap_or(0);
    let version = (number(), number());
    if version < (6, 2) {
        return Err(refused("it is too old; use Redis 6.2, Valkey 7.2, or a later one"));
    }
    if field("cluster_enabled") == Some("1") || field("redis_mode") == Some("cluster") {
        return Err(refused(
            "it is part of a cluster, which is not supported yet; use one primary, with replicas if you like",
        ));
    }
    if field("role") == Some("slave") {
        return Err(refused("it is a replica; give the address of its primary"));
    }
    // Without the entry of one session a sign-out everywhere would pass it over; without its rules
    // an organization would have none. That is no matter for a warning.
    if field("maxmemory") != Some("0") && field("maxmemory_policy") != Some("noeviction") {
        return Err(refused(
            "it may throw sessions away to make room, and then a sign-out would miss some; set its maxmemory-policy to noeviction",
        ));
    }
    Ok((7, 0) <= version)
}
