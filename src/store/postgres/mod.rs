//! A store in a PostgreSQL database.

mod asked;
#[cfg(feature = "deadpool")]
mod borrowed;
mod call;
mod connection;
mod connection_string;
mod connections;
mod connector;
mod encryption;
mod error;
mod hosts;
mod keeper;
#[cfg(feature = "deadpool")]
mod lent;
mod moving;
mod notified;
mod open;
mod open_failure;
mod opened;
mod pooler;
mod primary;
mod read;
mod schema;
mod server;
mod source;
mod standbys;
mod statements;
#[cfg(feature = "postgres-tls")]
mod tls;
mod tls_options;
mod transaction;
mod values;
mod watch;
mod write;

use std::fmt;
use std::sync::Arc;

use tokio::task::AbortHandle;

use self::hosts::Hosts;
pub use self::open::PostgresOptions;
use self::schema::Names;
use self::source::Source;
use self::statements::Statements;
use super::batch::Batcher;
use super::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store};
use super::error::StoreError;
use super::open_error::OpenError;
use super::scan::{ScanPlace, Scanned};
use super::watch::Changes;
use crate::clock::{ServerClock, Timestamp};
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};

/// Keeps sessions in a PostgreSQL database, for apps on several machines.
///
/// # Cost
///
/// A request costs one read: one round trip. Once per touch interval it also costs one write: one
/// round trip and one commit, which changes no index. On a busy node requests share reads: while
/// more than 16 are under way, concurrent loads are one statement. A sign-in is one read and a
/// transaction of three round trips, or four with a cap; replacing a session costs one more round
/// trip and commit. A page of a list is two reads. A change of rules is a transaction of six round
/// trips.
///
/// # Connections
///
/// Each node has its own connections: four by default, two that read and two that write. A reading
/// connection serves many requests at once, without waiting for one answer before it sends the next
/// query. That is faster than a pool with the same number of connections. A writing connection
/// serves one change at a time: if commits are slow, use [more
/// connections](PostgresOptions::connections). A broken connection is opened again, and its calls
/// are repeated over another one. Without any connection, calls fail as soon as an attempt to open
/// one has failed. If all are taken, calls wait for at most three seconds, or for the
/// [timeout](crate::Builder::timeout) if that is shorter. A call that finds a row or a table locked
/// fails after a second, or after ten in the middle of a sign-in, a purge or a change of rules.
///
/// # Bound
///
/// The server never has more than two connections of a node beyond the configured ones, even if a
/// commit waits for a replica, or the network or the server hangs. A connection that does not
/// answer in time (a read in 5 seconds, a change in 15) is closed, and the server is asked to
/// cancel its work. It is replaced only after the server's process is gone. The next connection
/// makes sure of that with `pg_terminate_backend`, one at a time. One more connection listens to
/// the server once the store is [watched](Store::watch). So allow three more connections for each
/// node on the server and for the role.
///
/// # Durability
///
/// Acknowledged changes are as durable as the server's `synchronous_commit`: on disk, unless you
/// switch it off. Leave it on, because a lost end makes an ended session valid again. With
/// [`acknowledged_by`](PostgresOptions::acknowledged_by), changes must also be on replicas.
///
/// # Replicas
///
/// The store connects only to a primary, since a replica may not have the latest writes yet. If you
/// name several hosts in the connection string (`postgres://a:5432,b:5432/database`), it finds the
/// one that accepts writes, also after a failover. All connections lead to one primary. If two
/// servers accept writes, the one with the newer timeline counts, and after the first connection to
/// it, answers of the other are ignored. A server is not used if it is older than one seen before,
/// or has another system identifier. A name that resolves to several addresses works like several
/// hosts, except that only several hosts are checked every 5 seconds for a newer primary.
///
/// # Poolers
///
/// The store needs no pooler, since it has few connections. If there is one that assigns server
/// connections for a transaction at a time, such as PgBouncer with `pool_mode = transaction`, set
/// [`through_pooler`](PostgresOptions::through_pooler). The store then prepares no statements, and
/// its settings last only for a transaction, so any version of PgBouncer works. Each call takes the
/// same number of round trips, but the server parses and plans more. An undeclared pooler is
/// noticed at connect, unless other clients keep the pooler busy at that moment. Later, the first
/// missing prepared statement causes an error that says so.
///
/// # A pool of the app's
///
/// With the feature `deadpool` the store can use the app's pool of
/// [deadpool-postgres](https://docs.rs/deadpool-postgres)
/// ([`options_with_pool`](Self::options_with_pool)), and opens no connections. It prepares no
/// statements there, so the pool may lead through a pooler. This is slower, with fewer guarantees:
/// sessions wait behind the app's queries. A hanging connection is noticed only by the
/// [timeout](crate::Builder::timeout), and returns to the pool as it is. The pool is responsible
/// for leading all connections to one primary.
///
/// # Encryption
///
/// Encryption needs the feature `postgres-tls`. The connection string has the options of libpq:
/// `sslmode`, `sslrootcert` (a file, or `system`), and `sslcert` with `sslkey`. The methods
/// `tls_roots` and `tls_client` set the same files. The server's certificate is always checked, by
/// default against the authorities that the operating system trusts. This is stricter than libpq,
/// which checks only from `verify-ca` on.
///
/// | `sslmode` | a server without encryption | the server's certificate |
/// | --- | --- | --- |
/// | `disable` | is accepted | is not requested |
/// | `prefer`, or nothing | is accepted | must be signed by an authority, for this host |
/// | `require`, `verify-full` | is refused | must be signed by an authority, for this host |
/// | `verify-ca` | is refused | must be signed by an authority, for any host |
///
/// # Clock
///
/// About once a second, a read also asks for the server's time, so that a node with a wrong clock
/// is noticed. Without reads, a sign-in asks for it, which takes one more round trip.
///
/// # Tables
///
/// [`connect`](Self::connect) creates the tables. Their names begin with `curfew_`, and are found
/// by the search path unless a [`schema`](PostgresOptions::schema) is set. If the store's role may
/// not create tables, run [`schema_sql`](PostgresOptions::schema_sql) with another role.
///
/// Clones share the same connections, which belong to the runtime that opened them. They are closed
/// when the last clone is dropped.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    readers: Source,
    loads: Batcher<SessionId, read::Found>,
    writers: Source,
    sql: Statements,
    names: Names,
    server_clock: ServerClock,
    /// The number of replicas that must have acknowledged changes.
    acknowledged_by: u32,
    /// The target of the store's own connections.
    hosts: Option<Arc<Hosts>>,
    _tasks: Tasks,
}

/// The tasks that keep the connections. They end with the store.
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl PostgresStore {
    /// Connects to the database of this connection string, and creates missing tables.
    ///
    /// A connection string looks like `postgres://role:password@host/database`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what prevents it and how to fix it.
    pub async fn connect(url: impl Into<String>) -> Result<Self, OpenError> {
        Self::options(url).connect().await
    }

    /// Starts the configuration of a store.
    pub fn options(url: impl Into<String>) -> PostgresOptions {
        PostgresOptions::new(url.into())
    }

    /// Starts the configuration of a store over the app's pool. See [A pool of the
    /// app's](Self#a-pool-of-the-apps).
    #[cfg(feature = "deadpool")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deadpool")))]
    pub fn options_with_pool(pool: deadpool_postgres::Pool) -> PostgresOptions {
        PostgresOptions::over(pool)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("sessions", &self.0.names.sessions)
            .finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        Ok(write::retried(&self.0, || write::insert(&self.0, &record, cap)).await?)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        Ok(read::load(&self.0, id).await?)
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        Ok(write::retried(&self.0, || write::replace(&self.0, &record)).await?)
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        Ok(read::list(&self.0, key, page).await?)
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        Ok(read::rules_since(&self.0, revision, at_most).await?)
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(write::retried(&self.0, || write::replace_rules(&self.0, org, &rules, now)).await?)
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        Ok(write::purge(&self.0, now, at_most).await?)
    }

    async fn scan(&self, after: Option<ScanPlace>, at_most: u32) -> Result<Scanned, StoreError> {
        Ok(moving::scan(&self.0, after.as_ref(), at_most).await?)
    }

    async fn import(&self, records: Vec<Arc<Record>>) -> Result<u64, StoreError> {
        Ok(write::retried(&self.0, || moving::import(&self.0, &records)).await?)
    }

    async fn watch(&self) -> Result<Option<Changes>, StoreError> {
        watch::watch(&self.0).await
    }
}
