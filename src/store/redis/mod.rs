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

/// Keeps sessions on Redis or Valkey, for apps on several machines.
///
/// It supports one server, a cluster, and servers with Sentinels.
///
/// # Addresses
///
/// | address | means |
/// | --- | --- |
/// | `redis://user:password@host:6379/0` | a primary, and its database |
/// | `redis+unix:///path/to/socket?db=0&user=…&pass=…` | the same, by its Unix socket |
/// | `redis-cluster://user:password@a:7001,b:7002/` | a cluster with these nodes; the others are discovered |
/// | `redis-sentinel://user:password@a:26379,b:26379/name/0` | the primary that these Sentinels know by this name, and its database |
///
/// `rediss://`, `rediss-cluster://` and `rediss-sentinel://` are the same over TLS (feature
/// `redis-tls`). If Sentinels require their own login, add
/// `?sentinel_username=…&sentinel_password=…`.
///
/// # Cost
///
/// A request costs one round trip, an `MGET` of the session and of the revision of all rules. Once
/// per touch interval it costs two more. A sign-in takes three. On a cluster a request is two
/// concurrent `GET`s, and recording activity takes one more round trip. On a busy node requests
/// share calls: while more than 16 loads are under way at a server, concurrent loads are one call.
///
/// Calls share two connections to each server, which reconnect by themselves. Reads and changes are
/// repeated once if their connection breaks. While no connection can be opened, each call fails at
/// once. A call that waits for an answer, or for a connection to open, waits as long as its caller:
/// for the [`timeout`](crate::Builder::timeout) of the handle. A connection is opened again after
/// four calls in a row were given up on it.
///
/// # Durability
///
/// The durability depends on the server's settings. **If it loses a sign-out, the session is alive
/// again.** Without an append-only file, a restart loses the changes since the last snapshot. With
/// `appendonly yes` and `appendfsync everysec`, a crash loses about a second. So set
/// `appendonly yes`, and also `appendfsync always` if no sign-out may be lost in a crash.
///
/// A failover loses the changes that had not reached the replica. Replicas receive changes after
/// they are acknowledged, unless the store [waits for them](RedisOptions::acknowledged_by). Two
/// risks remain. A replica that has not acknowledged a change may be promoted, so give the number
/// of replicas that each primary has. Replicas acknowledge changes in memory, so a crash of all
/// servers at once loses changes that are not in their append-only files.
///
/// # Servers
///
/// Redis from 6.2 on, or Valkey. Replicas are never read from. If `maxmemory` is set, the
/// `maxmemory-policy` must be and remain `noeviction`. A full server then refuses sign-ins, while
/// sessions continue, can be ended (from version 7 on), and are purged. A session with its device
/// and one organization takes about 800 bytes.
///
/// All calls of a store go to one primary. About once a second, and with each change, the store
/// checks that it is still the primary, and also asks the Sentinels if there are any. As soon as
/// one connection has found another primary, the others are closed, and late answers over them are
/// ignored. A former primary is never used again. A primary that is cut off only from the Sentinels
/// continues until they can reach it: set `min-replicas-to-write 1`, so that it refuses writes
/// meanwhile.
///
/// On a cluster each call goes to the node that is responsible for its key. The store follows moved
/// and moving slots, and failovers. It refuses a cluster with unserved slots.
///
/// The servers have their own clocks: a machine whose clock differs by more than a minute is
/// refused.
///
/// # Rights
///
/// A dedicated user needs the keys that begin with the [prefix](RedisOptions::prefix), and these
/// commands. [`connect`](Self::connect) tries them and names those that are missing.
///
/// ```text
/// ACL SETUSER app on >password ~curfew:* +get +mget +set +del +exists +persist +pexpire +pttl
///   +getrange +setrange +zadd +zrem +zscore +zcard +zrevrank +zrevrange +zrangebyscore +zrangebylex
///   +hget +hset +evalsha +script|load +info +role +time
/// ```
///
/// A cluster also needs `+cluster|slots +cluster|info +asking`.
/// [`acknowledged_by`](RedisOptions::acknowledged_by) needs `+wait`, [watching](Store::watch) needs
/// `+client|tracking`, and [copying](crate::store::copy()) from the store needs `+scan +dbsize`.
///
/// # Keys
///
/// All keys begin with the prefix. An id is written as its 16 bytes.
///
/// - `session:<id>`: a string, the whole record. It expires a week after it is due, in case the
///   store is not purged; if it is never due, it does not expire.
/// - `user:<user>`, `org:<organization>` and `link:<kind>:<value>`: sorted sets of the listed ids,
///   by time of creation. An entry may outlive its session, and is removed by the next call that
///   lists it. They expire with the last of their sessions.
/// - `due:0` to `due:f`: sorted sets of ids by the time they are due.
/// - `{rules}:bodies`, a hash of all rules by organization; `{rules}:places`, a sorted set of their
///   names in the order of their last changes; `{rules}:head`, the revision of all rules. They
///   never expire.
/// - `format`: the number of this format.
///
/// Redis compares times as floating-point numbers. They are exact to the millisecond until the year
/// 287396, and [`Timestamp::NEVER`] is later than all of those.
///
/// Clones share the same connections.
#[derive(Clone)]
pub struct RedisStore(Arc<Shared>);

struct Shared {
    deployment: Deployment,
    scripts: Arc<Scripts>,
    prefix: String,
    /// The number of replicas that must have ends and rules before they are acknowledged.
    replicas: Option<u32>,
    /// The keys of the rules: the revision of all rules, the rules, and the order of their changes.
    rules_keys: [Vec<u8>; 3],
    server_clock: ServerClock,
}

impl RedisStore {
    /// Connects to the servers at an address like `redis://user:password@host:6379/0`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong and how to fix it.
    pub async fn connect(url: impl Into<String>) -> Result<Self, OpenError> {
        Self::options(url).connect().await
    }

    /// Starts the configuration of a store on the servers at this address.
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
