//! A store on Redis or Valkey.

mod address;
mod answer;
mod asking;
mod call;
mod cluster;
mod connection;
mod connector;
mod deployment;
mod error;
mod look;
mod moving;
mod open;
mod primary;
mod read;
mod scripts;
mod server;
mod slots;
#[cfg(feature = "redis-tls")]
mod tls;
mod watch;
mod write;

use std::fmt;
use std::sync::Arc;

use self::deployment::Deployment;
pub use self::open::RedisOptions;
use self::scripts::Scripts;
use super::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store};
use super::error::StoreError;
use super::open_error::OpenError;
use super::scan::{ScanPlace, Scanned};
use super::watch::Changes;
use crate::clock::{ServerClock, Timestamp};
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};

/// Keeps sessions on Redis or Valkey, which several machines may share: one server, a cluster, or
/// servers that Sentinels watch.
///
/// # Addresses
///
/// | address | means |
/// | --- | --- |
/// | `redis://user:password@host:6379/0` | a primary, and its database |
/// | `redis+unix:///path/to/socket?db=0&user=…&pass=…` | the same, by its Unix socket |
/// | `redis-cluster://user:password@a:7001,b:7002/` | a cluster some of whose nodes are these |
/// | `redis-sentinel://user:password@a:26379,b:26379/name/0` | the primary that these Sentinels know by this name, and its database |
///
/// `rediss://`, `rediss-cluster://` and `rediss-sentinel://` are the same over TLS (feature
/// `redis-tls`). Sentinels that ask for a login of their own get it from
/// `?sentinel_username=…&sentinel_password=…`.
///
/// # What it costs
///
/// A request costs one round trip, an `MGET` of the session and of the revision of all rules; and once
/// per touch interval two more. A sign-in takes three. On a cluster a request is two `GET`s at once, and
/// recording activity takes one round trip more. On a busy node requests share them: while more than 16
/// loads are under way at a server, those that come at once are one call. Calls share two connections to
/// each server, which come back by themselves. Reads and changes are made again once if theirs breaks. While nobody can connect
/// each call fails at once; a call that waits, for an answer or for a connection to open, waits for as
/// long as its caller does, which is the [`timeout`](crate::Builder::timeout) of the handle. A connection
/// on which four calls in a row were given up is opened anew.
///
/// # What may be lost
///
/// As much as the server is set up to lose. **A sign-out that it loses brings the session back to
/// life.** Without an append-only file a restart loses what changed since the last snapshot; with
/// `appendonly yes` and `appendfsync everysec` a crash loses about a second. So set `appendonly yes`, and
/// `appendfsync always` where no sign-out may be lost to a crash.
///
/// A failover loses what had not reached the replica yet. Replicas learn later what was acknowledged,
/// unless the store [waits for them](RedisOptions::acknowledged_by). What then remains: a replica
/// that has not acknowledged may be the one that is promoted, so give the number of replicas that each
/// primary has; and replicas acknowledge what is in their memory, so that a crash of all of them at once
/// loses what their append-only files lack.
///
/// # The servers
///
/// Redis from 6.2 on, or Valkey. Replicas are never read from. With a `maxmemory`, the `maxmemory-policy`
/// must be `noeviction`, and stay it: a server that is full then refuses sign-ins, while sessions go on
/// and (from version 7 on) can be ended, and are purged. A session with its device and one organization
/// takes about 800 bytes.
///
/// All calls of a store go to one primary. About once a second, and with each change, it is asked whether
/// it still is one; with Sentinels, these are asked, too. As soon as one connection has found another
/// primary, the others are left, and what still arrives over them is not believed. A primary that was
/// left is never used again. A primary that is cut off from the Sentinels, and from nobody else, goes on
/// until they can reach it: set `min-replicas-to-write 1`, so that it takes no writes meanwhile.
///
/// On a cluster each call goes to the node that is responsible for its key. Moved slots, slots on their
/// way, and failovers are followed. A cluster some of whose slots nobody serves is refused.
///
/// The servers have clocks of their own: a machine that is off by more than a minute is refused.
///
/// # Rights
///
/// A user of its own needs the keys that begin with the [prefix](RedisOptions::prefix), and these
/// commands. [`connect`](Self::connect) tries them and names those that are missing.
///
/// ```text
/// ACL SETUSER app on >password ~curfew:* +get +mget +set +del +exists +persist +pexpire +pttl
///   +getrange +setrange +zadd +zrem +zscore +zcard +zrevrank +zrevrange +zrangebyscore +zrangebylex
///   +hget +hset +evalsha +script|load +info +role +time
/// ```
///
/// On a cluster also `+cluster|slots +cluster|info +asking`, for `acknowledged_by` also `+wait`, to be
/// [watched](Store::watch) also `+client|tracking`, and to [copy](crate::store::copy()) from it
/// `+scan +dbsize`.
///
/// # Keys
///
/// All begin with the prefix. An id is its 16 bytes as they are.
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
    /// Connects to the servers at an address like `redis://user:password@host:6379/0`.
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

    async fn scan(&self, after: Option<ScanPlace>, at_most: u32) -> Result<Scanned, StoreError> {
        Ok(moving::scan(&self.0, after.as_ref(), at_most).await?)
    }

    async fn import(&self, records: Vec<Arc<Record>>) -> Result<u64, StoreError> {
        Ok(moving::import(&self.0, &records).await?)
    }

    async fn watch(&self) -> Result<Option<Changes>, StoreError> {
        watch::watch(&self.0).await.map(Some)
    }
}
