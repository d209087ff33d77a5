//! A store in a PostgreSQL database.

mod changes;
mod connect_error;
mod connections;
mod failure;
mod keeper;
mod options;
mod purge;
mod rows;
mod schema;
mod selection;
mod statements;
mod steps;
#[cfg(feature = "postgres-tls")]
mod tls;
mod values;

use std::fmt;
use std::sync::Arc;

use tokio::task::AbortHandle;

pub use self::connect_error::ConnectError;
use self::connections::Connections;
pub use self::options::PostgresOptions;
use self::statements::Statements;
use super::{
    Ended, Facts, Insert, OrgRules, Page, Record, Rotate, Selector, SessionId, SetOrgs, Store,
    StoreError, Swapped, Timestamp, Touch, Touched,
};

/// Keeps sessions in a PostgreSQL database, for apps on several machines.
///
/// **Cost.** A request is one read, one round trip; and once per touch interval one write, one round
/// trip and one commit, which changes no index. A sign-in is a transaction of four round trips, of two
/// more with a cap, two or four more with organisations, and one more for each session it replaces.
///
/// **Connections.** Four by default, two that read and two that write; each node has its own. A
/// connection that reads serves many requests at once, without waiting for one answer before it asks
/// for the next; that is faster than a pool of as many connections. One that writes serves one
/// change at a time: if commits are slow, give it [more](PostgresOptions::connections). One that
/// breaks is opened again; meanwhile calls go to the others, and if there are none they fail at
/// once. Calls that find all taken wait for three seconds at most, or for the
/// [timeout](crate::Builder::timeout) if that is shorter. One that finds a row or a table locked by
/// somebody else fails after a second.
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
/// **Clock.** The store [tells](Facts::read_at) the server's time with each record, so a node whose
/// clock is wrong notices.
///
/// **Tables.** [`connect`](Self::connect) creates them: names begin with `curfew_`, and are found by
/// the search path unless there is a [`schema`](PostgresOptions::schema). A role that may not create
/// tables will do if somebody else runs [`schema_sql`](Self::schema_sql).
///
/// Clones share the same connections, which belong to the runtime that they were opened in; when the
/// last clone is dropped, they are closed.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    readers: Connections,
    writers: Connections,
    sql: Statements,
    checks_clock: bool,
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
    /// [`ConnectError`] says what stands in the way and what to do about it.
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, ConnectError> {
        Self::options(url).connect().await
    }

    /// Starts to set up a store.
    pub fn options(url: impl AsRef<str>) -> PostgresOptions {
        PostgresOptions::new(url.as_ref())
    }

    /// The tables as SQL, to be run by somebody who may create them. It may be run again.
    pub fn schema_sql(&self) -> String {
        schema::sql(&self.0.sql.names)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("sessions", &self.0.sql.names.sessions)
            .finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    async fn insert(
        &self,
        record: Record,
        replaces: &[SessionId],
        cap: Option<u32>,
    ) -> Result<Insert, StoreError> {
        Ok(changes::patiently(|| changes::insert(&self.0, &record, replaces, cap)).await?)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Facts>, StoreError> {
        Ok(rows::load(&self.0, id).await?)
    }

    async fn touch(&self, touch: Touch) -> Result<Touched, StoreError> {
        Ok(changes::patiently(|| changes::touch(&self.0, &touch)).await?)
    }

    async fn rotate(&self, rotate: Rotate) -> Result<Swapped, StoreError> {
        Ok(changes::patiently(|| changes::rotate(&self.0, &rotate)).await?)
    }

    async fn set_orgs(&self, change: SetOrgs) -> Result<Swapped, StoreError> {
        Ok(changes::patiently(|| changes::set_orgs(&self.0, &change)).await?)
    }

    async fn end(&self, which: &Selector, ended: &Ended) -> Result<u64, StoreError> {
        Ok(changes::patiently(|| changes::end(&self.0, which, ended)).await?)
    }

    async fn list(&self, which: &Selector, page: Page) -> Result<Vec<Facts>, StoreError> {
        Ok(rows::list(&self.0, which, page).await?)
    }

    async fn org_rules(&self, org: &str) -> Result<Option<Arc<OrgRules>>, StoreError> {
        Ok(rows::org_rules(&self.0, org).await?.map(Arc::new))
    }

    async fn put_org_rules(
        &self,
        org: &str,
        expected: Option<i64>,
        rules: OrgRules,
    ) -> Result<bool, StoreError> {
        let put = || changes::put_org_rules(&self.0, org, expected, &rules);
        Ok(changes::patiently(put).await?)
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        Ok(purge::purge(&self.0, now, at_most).await?)
    }
}
