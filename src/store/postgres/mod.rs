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
/// **Cost.** A request is one read, one round trip; and once per touch interval one write, one round
/// trip and one commit, which changes no index. On a busy node requests share reads: while more than 16
/// are under way, those that come at once are one statement. A sign-in is one read and a transaction of three round
/// trips, of four with a cap; and one more round trip and commit for the session that it replaces. A
/// page of a list is two reads, and a change of rules a transaction of six round trips.
///
/// **Connections.** Four by default, two that read and two that write; each node has its own. A
/// connection that reads serves many requests at once, without waiting for one answer before it
/// asks for the next; that is faster than a pool of as many connections. One that writes serves one
/// change at a time: if commits are slow, give it [more](PostgresOptions::connections). One that
/// breaks is opened again, and its calls are made again over another. If there is none, calls fail
/// as soon as an attempt to open one has failed. Calls that find all taken wait for three seconds
/// at most, or for the [timeout](crate::Builder::timeout) if that is shorter. One that finds a row
/// or a table locked by somebody else fails after a second, or after ten in the middle of a
/// sign-in, a purge or a change of rules.
///
/// **Bound.** The server never has more connections of a node than these and two more, whatever
/// hangs: a commit that waits for a replica, the network, the server. A connection that does not
/// answer in time (a read in 5 seconds, a change in 15) is closed, and the server is asked to stop
/// what it does for it. Its place is taken again only after the server's process is gone, which the
/// next connection sees to with `pg_terminate_backend`, one at a time. One more listens to the server
/// once the store is [watched](Store::watch). So let the server and the role have three connections
/// more for each node.
///
/// **Durability.** What is acknowledged is as durable as the server's `synchronous_commit` says: on
/// disk, unless you switch it off. To lose an end is to let somebody back in, so leave it on. With
/// [`acknowledged_by`](PostgresOptions::acknowledged_by) it must be on replicas as well.
///
/// **Replicas.** It connects to a primary and nowhere else, since a replica may not have yet what
/// was just written. Name several hosts in the connection string
/// (`postgres://a:5432,b:5432/database`), and it finds the one that takes writes, after a failover
/// too. All connections lead to one primary: of two that take writes the one with the newer
/// timeline counts, and after the first connection to it no answer of the other one does. A server
/// that is older than one that was seen, or that has another system identifier, is not used. A name
/// that stands for several addresses is as good as several hosts, except that only several hosts
/// are looked at every 5 seconds for a newer primary.
///
/// **Poolers.** None is needed: the store has few connections. Behind one that gives out server
/// connections for a transaction at a time, such as PgBouncer with `pool_mode = transaction`, say
/// [`through_pooler`](PostgresOptions::through_pooler). Then it prepares nothing and sets nothing for
/// longer than a transaction, which any version of PgBouncer will do. Each call takes as many round
/// trips as without, but gives the server more to parse and plan. A pooler that it was not told of is
/// noticed when it connects, unless others keep the pooler busy at that moment; later, the first
/// statement that has vanished says so.
///
/// **A pool of the app's.** With the feature `deadpool` the store runs over a pool of
/// [deadpool-postgres](https://docs.rs/deadpool-postgres) that the app has
/// ([`options_with_pool`](Self::options_with_pool)), and opens no connection. It prepares nothing
/// there, so that pool may lead through a pooler. It is slower, and promises less: sessions wait behind the queries of the app; a connection that hangs is noticed by
/// the [timeout](crate::Builder::timeout) only, and goes back to the pool as it is; and that all
/// connections lead to one primary is up to the pool.
///
/// **Encryption.** Needs the feature `postgres-tls`. The connection string says what libpq's would:
/// `sslmode`, `sslrootcert` (a file, or `system`), and `sslcert` with `sslkey`, which
/// `tls_roots` and `tls_client` give as well. The certificate of the server is always checked,
/// against the authorities that the operating system trusts if none is named. Here this is stricter
/// than libpq, which does so only from `verify-ca` on.
///
/// | `sslmode` | a server without encryption | the server's certificate |
/// | --- | --- | --- |
/// | `disable` | is spoken to | is not asked for |
/// | `prefer`, or nothing | is spoken to | must be signed by an authority, for this host |
/// | `require`, `verify-full` | is refused | must be signed by an authority, for this host |
/// | `verify-ca` | is refused | must be signed by an authority, for any host |
///
/// **Clock.** About once a second a read asks for the server's time, too, so a node whose clock is wrong
/// notices. Where nobody reads, a sign-in asks, which is one more round trip.
///
/// **Tables.** [`connect`](Self::connect) creates them: names begin with `curfew_`, and are found by
/// the search path unless there is a [`schema`](PostgresOptions::schema). A role that may not create
/// tables will do if somebody else runs [`schema_sql`](PostgresOptions::schema_sql).
///
/// Clones share the same connections, which belong to the runtime that they were opened in; when the
/// last clone is dropped, they are closed.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    readers: Source,
    loads: Batcher<SessionId, read::Found>,
    writers: Source,
    sql: Statements,
    names: Names,
    server_clock: ServerClock,
    /// So many replicas have what is acknowledged.
    acknowledged_by: u32,
    /// Where connections of the store's own lead.
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
    /// Connects to the database of this connection string, such as
    /// `postgres://role:password@host/database`, and creates the tables if they are missing.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what stands in the way and what to do about it.
    pub async fn connect(url: impl Into<String>) -> Result<Self, OpenError> {
        Self::options(url).connect().await
    }

    /// Starts to set up a store.
    pub fn options(url: impl Into<String>) -> PostgresOptions {
        PostgresOptions::new(url.into())
    }

    /// Starts to set up a store over a pool that the app has already. See
    /// [A pool of the app's](Self#a-pool-of-the-apps).
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
