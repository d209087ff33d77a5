//! The configuration of a Redis store, and connecting to its servers.

use std::fmt;
use std::sync::Arc;

use tokio::time::timeout;

use super::address::{self, Address};
use super::cluster::Cluster;
use super::connector::{Connector, MAX_TIME_TO_CONNECT, Password};
use super::deployment::Deployment;
use super::error::{UNREACHABLE, refused};
use super::look::{Expected, look};
use super::primary::Target;
use super::scripts::Scripts;
use super::server::Server;
#[cfg(feature = "redis-tls")]
use super::tls::TlsFiles;
use super::{RedisStore, Shared};
use crate::clock::ServerClock;
use crate::store::open_error::OpenError;

/// The configuration of a [`RedisStore`], made by [`RedisStore::options`].
#[derive(Clone)]
#[must_use = "nothing happens before `connect`"]
pub struct RedisOptions {
    address: String,
    prefix: String,
    checks_clock: bool,
    replicas: Option<u32>,
    password: Option<Password>,
    #[cfg(feature = "redis-tls")]
    tls: TlsFiles,
}

impl RedisOptions {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            prefix: "curfew:".into(),
            checks_clock: true,
            replicas: None,
            password: None,
            #[cfg(feature = "redis-tls")]
            tls: TlsFiles::default(),
        }
    }

    /// Sets the prefix of all keys. Default: `curfew:`.
    ///
    /// If stores share a database, no prefix may begin with another one.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Skips the comparison of clocks with the server. For tests with a manual clock.
    ///
    /// By default the store returns the server's time with each record, and refuses to insert and
    /// to purge for a caller whose clock differs by more than a minute.
    pub fn without_clock_check(self) -> Self {
        Self { checks_clock: false, ..self }
    }

    /// Waits until this many replicas have the end of a session or a change of rules (`WAIT`).
    ///
    /// It then survives a failover to one of these replicas.
    ///
    /// By default only the primary acknowledges, and changes that it has not yet replicated are
    /// lost with it. If too few replicas answer within half a second, the call fails with an error
    /// for which [`is_unacknowledged`](crate::store::StoreError::is_unacknowledged) is true: the
    /// change is made on the primary, and will reach the replicas unless the primary is lost first.
    /// Repeat the call to confirm it. Until then, loading or listing such a session fails with the
    /// same error.
    ///
    /// An end costs one more round trip between the servers, on separate connections: up to four
    /// more for each server. Other writes, such as sign-ins and activity, do not wait: if they are
    /// lost, users have to sign in again. Give the number of replicas that each primary has;
    /// otherwise a failover may choose one that is behind.
    pub fn acknowledged_by(self, replicas: u32) -> Self {
        Self { replicas: Some(replicas).filter(|replicas| *replicas != 0), ..self }
    }

    /// Calls this function for the password each time a connection is opened.
    ///
    /// It replaces the password in the address. Use it for passwords that change, and for tokens
    /// that expire.
    ///
    /// The function must return at once; fetch slow values in another task.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), tower_curfew::store::OpenError> {
    /// use tower_curfew::store::RedisStore;
    ///
    /// let read = || std::fs::read_to_string("/run/secrets/redis").unwrap_or_default();
    /// let store = RedisStore::options("redis://app@cache.internal/")
    ///     .password_from(move || read().trim().to_owned())
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn password_from(self, password: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { password: Some(Arc::new(password)), ..self }
    }

    /// Trusts only the authorities in this PEM file to sign the server's certificate.
    ///
    /// By default, those of the operating system are trusted.
    #[cfg(feature = "redis-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-tls")))]
    pub fn tls_roots(mut self, file: impl Into<std::path::PathBuf>) -> Self {
        self.tls.roots = Some(file.into());
        self
    }

    /// Presents a client certificate to the server: the first PEM file, with the key in the second.
    #[cfg(feature = "redis-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-tls")))]
    pub fn tls_client(
        mut self,
        certificate: impl Into<std::path::PathBuf>,
        key: impl Into<std::path::PathBuf>,
    ) -> Self {
        self.tls.client = Some((certificate.into(), key.into()));
        self
    }

    /// Connects to the servers and checks that they are suitable.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong and how to fix it.
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
        let Address { servers, login, is_encrypted } = Address::parse(&self.address)?;
        let connector = Arc::new(Connector {
            login,
            password: self.password,
            is_encrypted,
            #[cfg(feature = "redis-tls")]
            tls: self.tls.read()?,
        });
        let deployed = |scripts: &Arc<Scripts>| deployment(&connector, scripts, &servers);
        let expected = Expected {
            prefix: &self.prefix,
            checks_clock: self.checks_clock,
            replicas: self.replicas,
        };
        // It is not known yet whether it supports flags in scripts.
        let plain = Arc::new(Scripts::new(false));
        let looks = look(deployed(&plain), plain, &expected);
        let knows_flags =
            timeout(MAX_TIME_TO_CONNECT * 2, looks).await.map_err(|_| refused(UNREACHABLE))??;
        let scripts = Arc::new(Scripts::new(knows_flags));
        let prefix = self.prefix;
        // Braces keep them together on a cluster.
        let rules_keys =
            ["head", "bodies", "places"].map(|name| format!("{prefix}{{rules}}:{name}").into());
        Ok(Shared {
            deployment: deployed(&scripts),
            scripts,
            prefix,
            replicas: self.replicas,
            rules_keys,
            server_clock: ServerClock::new(self.checks_clock),
        })
    }
}

fn deployment(
    connector: &Arc<Connector>,
    scripts: &Arc<Scripts>,
    servers: &address::Servers,
) -> Deployment {
    let (connector, scripts) = (connector.clone(), scripts.clone());
    let target = match servers {
        address::Servers::Cluster(nodes) => {
            return Deployment::Cluster(Cluster::new(connector, scripts, nodes));
        }
        address::Servers::One(addr) => Target::At(addr.clone()),
        address::Servers::Sentinels { sentinels, name, login } => Target::Sentinels {
            sentinels: sentinels.clone(),
            name: name.clone(),
            login: login.clone(),
        },
    };
    Deployment::One(Arc::new(Server::new(connector, target, scripts)))
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may contain a password.
        f.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("checks_clock", &self.checks_clock)
            .field("acknowledged_by", &self.replicas)
            .finish_non_exhaustive()
    }
}

/// Braces would choose the node of a cluster.
fn is_prefix(prefix: &str) -> bool {
    (1..=64).contains(&prefix.len())
        && prefix.chars().all(|c| c.is_ascii_graphic() && c != '{' && c != '}')
}
