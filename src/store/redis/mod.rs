//! A store on a Redis or Valkey server.

mod answers;
mod changes;
mod connect_error;
mod encoding;
mod failure;
mod link;
mod options;
mod scripts;

use std::fmt;
use std::sync::Arc;

pub use self::connect_error::ConnectError;
use self::link::Link;
pub use self::options::RedisOptions;
use self::scripts::Scripts;
use super::{
    Ended, Facts, Insert, OrgRules, Page, Record, Rotate, Selector, SessionId, SetOrgs, Store,
    StoreError, Swapped, Touch, Touched,
};
use crate::time::Timestamp;

/// Keeps sessions on a Redis or Valkey server, which several machines may share.
///
/// # What it costs
///
/// A request costs one round trip, the script that reads the session; and once per touch interval
/// another. All calls share one connection, which comes back by itself. While the server is away or
/// hangs, each call fails within a second.
///
/// # What may be lost
///
/// As much as the server is set up to lose. **A sign-out that it loses brings the session back to
/// life.** Without an append-only file a restart loses what changed since the last snapshot; with
/// `appendonly yes` and `appendfsync everysec` a crash loses about a second; a failover loses what
/// had not reached the replica yet, since that is told later. So set `appendonly yes`, and
/// `appendfsync always` where no sign-out may be lost to a crash.
///
/// # The server
///
/// Redis from 6.2 on, or Valkey: one primary. It may have replicas, but they are never read from.
/// Redis Cluster is not supported yet. With a `maxmemory`, the `maxmemory-policy` must be
/// `noeviction`, and stay it: a server that is full then refuses sign-ins, while sessions go on and
/// (from version 7 on) can be ended, and are purged. A session with its user agent and one organisation takes about 1 kB.
/// From version 7 on, a primary that has become a replica refuses even reads, and the next call
/// connects anew; before that, the failover must close its connections, as Sentinel does.
///
/// The server has a clock of its own: a machine that is off by more than a minute from it is refused.
///
/// # Keys
///
/// All begin with the [prefix](RedisOptions::key_prefix). An id is its 16 bytes as they are.
///
/// - `session:<id>`: a string, the whole record. It expires by itself a week after it became due, in
///   case nobody purges; if it is never due, never.
/// - `user:<user>` and `members:<organisation>`: sorted sets of the ids that have not ended, by time
///   of creation. They expire with the last of their sessions.
/// - `org:<organisation>`: a string, the rules. They never expire.
/// - `purge`: a sorted set of all ids by when they are due.
///
/// Redis compares times as floating-point numbers: exact to the millisecond until the year 287396,
/// and [`Timestamp::NEVER`] is later than all of those.
///
/// Clones share the same connection.
#[derive(Clone)]
pub struct RedisStore(Arc<Shared>);

struct Shared {
    link: Link,
    scripts: Scripts,
    prefix: String,
    checks_clock: bool,
}

impl RedisStore {
    /// Connects to the server at an address like `redis://user:password@host:6379/0`.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what is wrong and what to do about it.
    pub async fn connect(address: impl Into<String>) -> Result<Self, ConnectError> {
        Self::options(address).connect().await
    }

    /// A store on the server at this address that is yet to be set up.
    pub fn options(address: impl Into<String>) -> RedisOptions {
        RedisOptions::new(address.into())
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}

impl Store for RedisStore {
    async fn insert(
        &self,
        record: Record,
        replaces: &[SessionId],
        cap: Option<u32>,
    ) -> Result<Insert, StoreError> {
        Ok(self.0.insert(&record, replaces, cap).await?)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Facts>, StoreError> {
        Ok(self.0.load(id).await?)
    }

    async fn touch(&self, touch: Touch) -> Result<Touched, StoreError> {
        Ok(self.0.touch(&touch).await?)
    }

    async fn rotate(&self, rotate: Rotate) -> Result<Swapped, StoreError> {
        Ok(self.0.rotate(&rotate).await?)
    }

    async fn set_orgs(&self, change: SetOrgs) -> Result<Swapped, StoreError> {
        Ok(self.0.set_orgs(&change).await?)
    }

    async fn end(&self, which: &Selector, ended: &Ended) -> Result<u64, StoreError> {
        Ok(self.0.end(which, ended).await?)
    }

    async fn list(&self, which: &Selector, page: Page) -> Result<Vec<Facts>, StoreError> {
        Ok(self.0.list(which, page).await?)
    }

    async fn org_rules(&self, org: &str) -> Result<Option<Arc<OrgRules>>, StoreError> {
        Ok(self.0.org_rules(org).await?)
    }

    async fn put_org_rules(
        &self,
        org: &str,
        expected: Option<i64>,
        rules: OrgRules,
    ) -> Result<bool, StoreError> {
        Ok(self.0.put_org_rules(org, expected, &rules).await?)
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        Ok(self.0.purge(now, at_most).await?)
    }
}
