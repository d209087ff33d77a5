//! A store in a PostgreSQL database.

mod connection;
mod connections;
mod connector;
mod error;
mod keeper;
mod moving;
mod open;
mod read;
mod schema;
mod statements;
#[cfg(feature = "postgres-tls")]
mod tls;
mod transaction;
mod values;
mod write;

use std::fmt;
use std::sync::Arc;

use tokio::task::AbortHandle;

use self::connections::Connections;
pub use self::open::PostgresOptions;
use self::schema::Names;
use self::statements::Statements;
use super::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store, StoreError};
use super::open_error::OpenError;
use super::scan::{ScanPlace, Scanned};
use crate::clock::{ServerClock, Timestamp};
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};

/// Keeps sessions in a PostgreSQL database, for apps on several machines.
///
/// **Cost.** A request is one read, one round trip; and once per touch interval one write, one round
/// trip and one commit, which changes no index. A sign-in is one read and a transaction of three round
/// trips, of four with a cap; and one more round trip and commit for the session that it replaces. A
/// page of a list is two reads, and a change of rules a transaction of six round trips.
///
/// **Connections.** Four by default, two that read and two that write; each node has its own. A
/// connection that reads serves many requests at once, without waiting for one answer before it asks
/// for the next; that is faster than a pool of as many connections. One that writes serves one
/// change at a time: if commits are slow, give it [more](PostgresOptions::connections). One that
/// breaks is opened again; meanwhile calls go to the others, and if there are none they fail at
/// once. Calls that find all taken wait for three seconds at most, or for the
/// [timeout](crate::Builder::timeout) if that is shorter. One that finds a row or a table locked by
/// somebody else fails after a second, or after ten in the middle of a sign-in or a change of rules.
///
/// **Durability.** What is acknowledged is as durable as the server's `synchronous_commit` says: on
/// disk, unless you switch it off. To lose an end is to let somebody back in, so leave it on.
///
/// **Replicas.** It connects to a primary and nowhere else, since a replica may not have yet what
/// was just written. Name several hosts in the connection string, and it finds the one that takes
/// writes, after a failover too.
///
/// **Poolers.** None is needed, and none was tested. It prepares its statements, which PgBouncer in
/// transaction mode allows from 1.21 on with `max_prepared_statements` above 0; and it sets
/// `lock_timeout` when it connects, which such a pooler gives to whoever comes next. Let it connect
/// to the server itself.
///
/// **Encryption.** With the feature `postgres-tls` the server's certificate is always checked, against
/// the authorities that the operating system trusts, or those that you name (`tls_roots`). Say `sslmode=require` in the
/// connection string, or a server that offers no encryption is spoken to without; `sslmode=disable`
/// does not even ask.
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
    readers: Connections,
    writers: Connections,
    sql: Statements,
    names: Names,
    server_clock: ServerClock,
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
        Ok(write::retried(|| write::insert(&self.0, &record, cap)).await?)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        Ok(read::load(&self.0, id).await?)
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        Ok(write::retried(|| write::replace(&self.0, &record)).await?)
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
        Ok(write::retried(|| write::replace_rules(&self.0, org, &rules, now)).await?)
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        Ok(write::purge(&self.0, now, at_most).await?)
    }
    async fn scan(&self, after: Option<ScanPlace>, at_most: u32) -> Result<Scanned, StoreError> {
        Ok(moving::scan(&self.0, after.as_ref(), at_most).await?)
    }

    async fn import(&self, records: Vec<Arc<Record>>) -> Result<u64, StoreError> {
        Ok(write::retried(|| moving::import(&self.0, &records)).await?)
    }
}
