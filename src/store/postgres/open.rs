//! How a PostgreSQL store is set up.

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

/// How a [`PostgresStore`] is set up.
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
    /// rules. [`connect`](Self::connect) refuses a server whose clock is off by more.
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

    /// Demands that what is acknowledged is on the disks of so many replicas as well, so that it survives
    /// a failover to one of them. Otherwise of none.
    ///
    /// It is the server that waits for them. So [`connect`](Self::connect), and each connection for
    /// writing that is opened later, looks whether it does: `synchronous_commit` must be `on` or
    /// `remote_apply` for this role and database, and `synchronous_standby_names` demand at least so
    /// many, such as `ANY 1 (a, b)`. While a replica that it waits for is gone, changes end as errors,
    /// and sessions are read as usual. Such a change may have been made on the primary alone: see
    /// [stores](crate::docs::stores).
    pub fn acknowledged_by(self, replicas: u32) -> Self {
        Self { acknowledged_by: replicas, ..self }
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

/// Without the connection string, which may hold a password.
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

/// With what follows it, a name stays within the 63 bytes that PostgreSQL allows.
const MAX_NAME: usize = 40;
