//! The configuration of a PostgreSQL store.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::connection::Sharing;
use super::connections::{Connections, Slot, State};
use super::connector::{Connector, MAX_TIME_TO_OPEN, Peer};
use super::error::refused;
use super::hosts::Hosts;
use super::keeper::Keeper;
#[cfg(feature = "deadpool")]
use super::lent;
use super::open_failure::OpenFailure;
use super::pooler;
use super::schema::{self, Checks, Names};
use super::source::Source;
use super::statements::{Sql, Statements};
use super::tls_options::TlsFiles;
use super::{PostgresStore, Shared, Tasks};
use crate::clock::ServerClock;
use crate::store::batch::Batcher;
use crate::store::open_error::OpenError;

/// The configuration of a [`PostgresStore`].
#[derive(Clone)]
#[must_use = "nothing is connected before `connect`"]
pub struct PostgresOptions {
    url: String,
    schema: Option<String>,
    prefix: String,
    connections: usize,
    checks_clock: bool,
    acknowledged_by: u32,
    peer: Peer,
    tls: TlsFiles,
    #[cfg(feature = "deadpool")]
    pool: Option<deadpool_postgres::Pool>,
    /// The name of an option that cannot be used with the app's pool.
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
            acknowledged_by: 0,
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

    /// Keeps the tables in this schema, which is created if it does not exist.
    ///
    /// By default, the search path of the connection decides.
    pub fn schema(self, schema: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), ..self }
    }

    /// Sets the prefix of the tables' names. Default: `curfew_`.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Sets the number of connections, at least 2. Default: 4.
    ///
    /// Half of them, rounded down, read; the others write.
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, only_own: Some("connections"), ..self }
    }

    /// Skips the comparison of this machine's clock with the server's. For tests with a manual
    /// clock.
    ///
    /// By default the store returns the server's time with the records that it reads. It returns an
    /// error if a caller whose clock differs by more than a minute inserts, purges or replaces
    /// rules. [`connect`](Self::connect) refuses a server whose clock differs by more than that.
    pub fn without_clock_check(self) -> Self {
        Self { checks_clock: false, ..self }
    }

    /// Supports a pooler that assigns server connections for a transaction at a time.
    ///
    /// An example is PgBouncer with `pool_mode = transaction`. The store then prepares no
    /// statements, and its settings last only for a transaction. See
    /// [Poolers](PostgresStore#poolers).
    pub fn through_pooler(self) -> Self {
        Self { peer: Peer::Pooler, only_own: Some("through_pooler"), ..self }
    }

    /// Requires acknowledged changes to be on the disks of this many replicas. Default: 0.
    ///
    /// They then survive a failover to one of these replicas.
    ///
    /// The server waits for the replicas. So [`connect`](Self::connect), and each writing
    /// connection that is opened later, checks its settings: `synchronous_commit` must be `on` or
    /// `remote_apply` for this role and database, and `synchronous_standby_names` must require at
    /// least this many, such as `ANY 1 (a, b)`. While a required replica is gone, changes fail with
    /// errors, and sessions are read as usual. Such a change may have been made on the primary
    /// alone: see [stores](crate::docs::stores).
    pub fn acknowledged_by(self, replicas: u32) -> Self {
        Self { acknowledged_by: replicas, ..self }
    }

    /// Trusts only the authorities in this PEM file to sign the server's certificate.
    ///
    /// By default, those of the connection string (`sslrootcert`) are trusted, or those of the
    /// operating system.
    #[cfg(feature = "postgres-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres-tls")))]
    pub fn tls_roots(mut self, file: impl Into<std::path::PathBuf>) -> Self {
        self.tls.roots = Some(file.into());
        Self { only_own: Some("tls_roots"), ..self }
    }

    /// Presents this client certificate to the server.
    ///
    /// The certificate is a PEM file that may also contain its chain. The key is a PEM file, and
    /// must not be encrypted. By default, the files of the connection string (`sslcert` and
    /// `sslkey`) are used, or none.
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

    /// Returns the SQL that creates the tables, for another role. It may be run again.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the schema or the prefix is not a valid name.
    pub fn schema_sql(&self) -> Result<String, OpenError> {
        Ok(schema::sql(&self.names()?))
    }

    /// Connects, and creates missing tables.
    ///
    /// If several nodes do so at the same time, one creates them, and the others wait.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what prevents it and how to fix it.
    pub async fn connect(self) -> Result<PostgresStore, OpenError> {
        let names = self.names()?;
        let checks = Checks { clock: self.checks_clock, acknowledged_by: self.acknowledged_by };
        #[cfg(feature = "deadpool")]
        if let Some(pool) = self.pool {
            return lent::open(pool, names, checks, self.only_own).await;
        }
        if !(2..=1000).contains(&self.connections) {
            let number = self.connections;
            let advice = format!("`{number}` connections are too few or too many; give 2 to 1000");
            return Err(refused(advice));
        }
        let hosts = Arc::new(Hosts::new(Connector::new(&self.url, self.peer, self.tls)?));
        let prepare = async {
            pooler::notice(&hosts).await?;
            schema::prepare(&hosts, &names, checks).await
        };
        tokio::time::timeout(2 * MAX_TIME_TO_OPEN, prepare)
            .await
            .map_err(|_| OpenFailure::Silent)??;

        let sql = Statements::new(&names);
        let readers = self.connections / 2;
        let mut tasks = Tasks(Vec::with_capacity(self.connections));
        let mut open = |sharing, count, first: Vec<Sql>| {
            let freed = Arc::new(Notify::new());
            let first: Arc<[Sql]> = first.into();
            let mut slots = Vec::with_capacity(count);
            for _ in 0..count {
                let (sender, state) = watch::channel(State::Opening);
                let wanted = Arc::new(Notify::new());
                slots.push(Slot { state, wanted: wanted.clone() });
                let keeper = Keeper {
                    hosts: hosts.clone(),
                    sharing,
                    first: first.clone(),
                    acknowledged_by: self.acknowledged_by,
                    state: sender,
                    freed: freed.clone(),
                    wanted,
                };
                tasks.0.push(tokio::spawn(keeper.keep()).abort_handle());
            }
            Connections::new(sharing, slots, hosts.clone(), freed)
        };
        let readers =
            open(Sharing::Shared, readers, sql.load.iter().chain(&sql.load_all).cloned().collect());
        let writers = open(
            Sharing::Exclusive,
            self.connections - readers.slots().len(),
            sql.replace.to_vec(),
        );
        for slot in readers.slots().iter().chain(writers.slots()) {
            opened(slot.state.clone()).await?;
        }
        if hosts.are_several() {
            tasks.0.push(tokio::spawn(hosts.clone().look_out()).abort_handle());
        }
        let server_clock = ServerClock::new(self.checks_clock);
        let shared = Shared {
            readers: Source::Own(readers),
            loads: Batcher::new(),
            writers: Source::Own(writers),
            sql,
            names,
            server_clock,
            acknowledged_by: self.acknowledged_by,
            hosts: Some(hosts),
            _tasks: tasks,
        };
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
}

/// Omits the connection string, which may contain a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("prefix", &self.prefix)
            .field("connections", &self.connections)
            .field("checks_clock", &self.checks_clock)
            .field("acknowledged_by", &self.acknowledged_by)
            .field("through_pooler", &(self.peer == Peer::Pooler))
            .finish_non_exhaustive()
    }
}

/// Waits until the connection is open for the first time.
async fn opened(mut slot: watch::Receiver<State>) -> Result<(), OpenError> {
    let is_tried = |state: &State| !matches!(state, State::Opening | State::Waiting);
    let outcome = slot.wait_for(is_tried).await;
    match outcome.as_deref() {
        Ok(State::Down(said) | State::Refused(said)) => {
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

/// With its suffix, a name stays within the 63 bytes that PostgreSQL allows.
const MAX_NAME: usize = 40;
