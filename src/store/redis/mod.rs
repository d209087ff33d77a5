//! A store on a Redis or Valkey server.

mod address;
mod cluster;
mod connection;
mod connector;
mod deployment;
mod error;
mod look;
mod open;
mod primary;
mod read;
mod scripts;
mod server;
mod slots;
#[cfg(feature = "redis-tls")]
mod tls;
mod write;

use std::fmt;
use std::sync::Arc;

use self::deployment::Deployment;
pub use self::open::RedisOptions;
use self::scripts::Scripts;
use super::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store, StoreError};
use super::open_error::OpenError;
use crate::clock::{ServerClock, Timestamp};
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};

/// Keeps sessions on a Redis or Valkey server, which several machines may share.
///
/// # What it costs
///
/// A request costs one round trip, an `MGET` of the session and of the revision of all rules; and once
/// per touch interval two more. A sign-in takes three. Calls share two connections, which come back by
/// themselves; one that breaks is made up for by another. While nobody can connect, each call fails
/// within a second. While a server hangs that has taken the connection, a call waits for as long as
/// its caller does, which is the [`timeout`](crate::Builder::timeout) of the handle; after four calls
/// in a row that nobody waited for, the next one connects anew.
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
/// (from version 7 on) can be ended, and are purged. A session with its device and one organization takes about 800 bytes.
/// A primary that has become a replica is asked nothing any more once it says so, which it is asked about
/// once a second and with each change; then the next call connects to whoever answers at the address.
///
/// The server has a clock of its own: a machine that is off by more than a minute from it is refused.
///
/// # Keys
///
/// All begin with the [prefix](RedisOptions::prefix). An id is its 16 bytes as they are.
///
/// - `session:<id>`: a string, the whole record. It expires by itself a week after it became due, in
///   case nobody purges; if it is never due, never.
/// - `user:<user>`, `org:<organization>` and `link:<kind>:<value>`: sorted sets of the ids that are
///   listed there, by time of creation. An entry may outlive its session, and is forgotten by whoever
///   lists it then. They expire with the last of their sessions.
/// - `due:0` to `due:f`: sorted sets of ids by when they are due.
/// - `{rules}:bodies`, a hash of all rules by organization; `{rules}:places`, a sorted set of their names
///   in the order of their last changes; `{rules}:head`, the revision of all of them. They never expire.
/// - `format`: the number of this format.
///
/// Redis compares times as floating-point numbers: exact to the millisecond until the year 287396,
/// and [`Timestamp::NEVER`] is later than all of those.
///
/// Clones share the same connections.
#[derive(Clone)]
pub struct RedisStore(Arc<Shared>);

struct Shared {
    deployment: Deployment,
    scripts: Arc<Scripts>,
    prefix: String,
    /// Ends and rules are acknowledged when so many have them.
    replicas: Option<u32>,
    /// What is kept of rules: the revision of all of them, they themselves, and in which order they
    /// changed.
    rules_keys: [Vec<u8>; 3],
    server_clock: ServerClock,
}

impl RedisStore {
    /// Connects to the server at an address like `redis://user:password@host:6379/0`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong and what to do about it.
    pub async fn connect(url: impl Into<String>) -> Result<Self, OpenError> {
        Self::options(url).connect().await
    }

    /// A store on the server at this address that is yet to be set up.
    pub fn options(url: impl Into<String>) -> RedisOptions {
        RedisOptions::new(url.into())
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}

impl Store for RedisStore {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        Ok(write::insert(&self.0, &record, cap).await?)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        Ok(read::load(&self.0, id).await?)
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        Ok(write::replace(&self.0, &record).await?)
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
        Ok(write::replace_rules(&self.0, org, &rules, now).await?)
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        Ok(write::purge(&self.0, now, at_most).await?)
    }
}
