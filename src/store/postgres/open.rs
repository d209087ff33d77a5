//! How a PostgreSQL store is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

use super::asked::Peer;
#[cfg(feature = "deadpool")]
use super::borrowed;
use super::connection::Sharing;
use super::connection_string;
use super::connections::{Connections, State};
use super::connector::Connector;
use super::error::refused;
use super::keeper::{self, MAX_TIME_TO_OPEN};
use super::pooler;
use super::schema::{self, Names};
use super::source::Source;
use super::statements::{Sql, Statements};
use super::tls_options::{TlsFiles, TlsOptions};
use super::{PostgresStore, Shared, Tasks};
use crate::clock::ServerClock;
use crate::store::open_error::OpenError;

/// How a [`PostgresStore`] is set up.
#[derive(Clone)]
#[must_use = "nothing is connected before `connect`"]
pub struct PostgresOptions {
    url: String,
    schema: Option<String>,
    prefix: String,
    connections: usize,
    checks_clock: bool,
    peer: Peer,
    tls: TlsFiles,
    #[cfg(feature = "deadpool")]
    pool: Option<deadpool_postgres::Pool>,
    /// The name of an option that a pool of the app's leaves no room for.
    #[cfg_attr(
        not(feature = "deadpool"),
        expect(dead_code, reason = "then there is no such pool")
    )]
    only_own: Option<&'static str>,
}

impl PostgresOptions {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            schema: None,
            prefix: "curfew_".to_owned(),
            connections: 4,
            checks_clock: true,
            peer: Peer::Server,
            tls: TlsFiles::default(),
            #[cfg(feature = "deadpool")]
            pool: None,
            only_own: None,
        }
    }

    #[cfg(feature = "deadpool")]
    pub(super) fn over(pool: deadpool_postgres::Pool) -> Self {
        Self { pool: Some(pool), ..Self::new(String::new()) }
    }

    /// Keeps the tables in this schema, which is created if it does not exist. Otherwise they are
    /// where the search path of the connection leads.
    pub fn schema(self, schema: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), ..self }
    }

    /// Begins the names of the tables with this instead of `curfew_`.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Opens so many connections, at least 2, instead of 4. Half of them, rounded down, read; the
    /// others write.
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, only_own: Some("connections"), ..self }
    }

    /// Does not compare the clock of this machine with that of the server. For tests whose clock is
    /// moved by hand.
    ///
    /// Otherwise the store tells the server's time with each record that it reads, and answers with
    /// an error where a caller who is off by more than a minute wants to insert, to purge or to replace
    /// rules.
    pub fn without_clock_check(self) -> Self {
        Self { checks_clock: false, ..self }
    }

    /// Says that the connection string leads to a pooler which gives out server connections for a
    /// transaction at a time, such as PgBouncer with `pool_mode = transaction`. Then nothing is
    /// prepared and nothing is set for longer than a transaction. See
    /// [Poolers](PostgresStore#poolers).
    pub fn through_pooler(self) -> Self {
        Self { peer: Peer::Pooler, only_own: Some("through_pooler"), ..self }
    }

    /// Trusts the authorities in this PEM file and no others to vouch for the server. Otherwise those
    /// that the connection string names (`sslrootcert`), or that the operating system trusts.
    #[cfg(feature = "postgres-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres-tls")))]
    pub fn tls_roots(mut self, file: impl Into<std::path::PathBuf>) -> Self {
        self.tls.roots = Some(file.into());
        Self { only_own: Some("tls_roots"), ..self }
    }

    /// Shows the server this certificate, a PEM file that may hold its chain too, and proves it with
    /// the key in that PEM file, which must not be encrypted. Otherwise those that the connection
    /// string names (`sslcert` and `sslkey`), or none.
    #[cfg(feature = "postgres-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres-tls")))]
    pub fn tls_client(
        mut self,
        certificate_file: impl Into<std::path::PathBuf>,
        key_file: impl Into<std::path::PathBuf>,
    ) -> Self {
        self.tls.certificate = Some(certificate_file.into());
        self.tls.key = Some(key_file.into());
        Self { only_own: Some("tls_client"), ..self }
    }

    /// The tables as SQL, to be run by somebody who may create them. It may be run again.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the schema or the prefix is no name.
    pub fn schema_sql(&self) -> Result<String, OpenError> {
        Ok(schema::sql(&self.names()?))
    }

    /// Connects, and creates the tables if they are missing. Of several nodes that do so at the same
    /// time one creates them, and the others wait.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what stands in the way and what to do about it.
    pub async fn connect(self) -> Result<PostgresStore, OpenError> {
        let names = self.names()?;
        #[cfg(feature = "deadpool")]
        if let Some(pool) = self.pool {
            return borrowed::open(pool, names, self.checks_clock, self.only_own).await;
        }
        if !(2..=1000).contains(&self.connections) {
            let number = self.connections;
            let advice = format!("`{number}` connections are too few or too many; give 2 to 1000");
            return Err(refused(advice));
        }
        let connector = Arc::new(self.connector()?);
        let prepare = async {
            pooler::notice(&connector).await?;
            schema::prepare(&connector, &names).await
        };
        tokio::time::timeout(2 * MAX_TIME_TO_OPEN, prepare)
            .await
            .map_err(|_| refused(SILENT))??;

        let sql = Statements::new(&names);
        let readers = self.connections / 2;
        let mut tasks = Tasks(Vec::with_capacity(self.connections));
        let mut open = |sharing, count, first: Vec<Sql>| {
            let freed = Arc::new(Notify::new());
            let first: Arc<[Sql]> = first.into();
            let mut slots = Vec::with_capacity(count);
            for _ in 0..count {
                let (state, slot) = watch::channel(State::Opening);
                let (connector, first, freed) = (connector.clone(), first.clone(), freed.clone());
                let keeper = keeper::keep(connector, sharing, first, state, freed);
                tasks.0.push(tokio::spawn(keeper).abort_handle());
                slots.push(slot);
            }
            Connections::new(sharing, slots, freed)
        };
        let readers = open(Sharing::Shared, readers, sql.load.to_vec());
        let writers = open(
            Sharing::Exclusive,
            self.connections - readers.slots().len(),
            vec![sql.replace.clone()],
        );
        for slot in readers.slots().iter().chain(writers.slots()) {
            opened(slot.clone()).await?;
        }
        let server_clock = ServerClock::new(self.checks_clock);
        let (readers, writers) = (Source::Own(readers), Source::Own(writers));
        let shared = Shared { readers, writers, sql, names, server_clock, _tasks: tasks };
        Ok(PostgresStore(Arc::new(shared)))
    }

    fn names(&self) -> Result<Names, OpenError> {
        let schema = self.schema.as_deref();
        for (what, name) in [("schema", schema), ("table prefix", Some(&*self.prefix))] {
            if let Some(name) = name
                && !is_name(name)
            {
                let advice = format!(
                    "`{name}` is no {what}; give lower-case letters, digits and underscores, no \
                     digit first, at most {MAX_NAME}"
                );
                return Err(refused(advice));
            }
        }
        Ok(Names::new(schema, &self.prefix))
    }

    fn connector(&self) -> Result<Connector, OpenError> {
        let (url, named) = connection_string::part(&self.url);
        // Why not it says with a part of the string, which may be the password.
        let mut config: Config = url.parse().map_err(|_| {
            refused(
                "the connection string cannot be read; give one such as \
                 `postgres://role:password@host:5432/database`",
            )
        })?;
        let tls = TlsOptions::of(named, self.tls.clone())?;
        config.ssl_mode(tls.mode);
        if config.get_application_name().is_none() {
            config.application_name("tower-curfew");
        }
        // A replica may not have yet what was just written.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(MAX_TIME_TO_OPEN);
        }
        // A server that is gone without a word is noticed by the operating system, too.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(MAX_SILENCE);
        }
        config
            .keepalives_idle(MAX_SILENCE)
            .keepalives_interval(MAX_SILENCE / 3)
            .keepalives_retries(3);
        Ok(Connector {
            #[cfg(feature = "postgres-tls")]
            tls: super::tls::connect_with(&tls)?,
            peer: self.peer,
            config,
        })
    }
}

/// Without the connection string, which may hold a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("prefix", &self.prefix)
            .field("connections", &self.connections)
            .field("checks_clock", &self.checks_clock)
            .field("through_pooler", &(self.peer == Peer::Pooler))
            .finish_non_exhaustive()
    }
}

/// Waits until the connection is open for the first time.
async fn opened(mut slot: watch::Receiver<State>) -> Result<(), OpenError> {
    let outcome = slot.wait_for(|state| !matches!(state, State::Opening)).await;
    match outcome.as_deref() {
        Ok(State::Down(said)) => {
            let advice = "it does not get all of its connections; let the server or the role have \
                          more, or this store fewer";
            Err(refused(advice).caused_by(said.clone()))
        }
        _ => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    name.len() <= MAX_NAME
        && name.bytes().all(inner)
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// With what follows it, a name stays within the 63 bytes that PostgreSQL allows.
const MAX_NAME: usize = 40;

const MAX_SILENCE: Duration = Duration::from_secs(10);

pub(super) const SILENT: &str =
    "the server does not answer in time; check host and port, and that it is well";
