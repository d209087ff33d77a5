//! A place of its own for each test, and sessions to put there.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, process};

use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use time::Duration;
use tokio::time::{sleep, timeout};
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{
    Inserted, Key, Membership, MemoryStore, OrgRules, Page, Record, RedisOptions, RedisStore,
    Replaced, Revision, SecretHash, Stamp, Store,
};
use tower_curfew::{Curfew, Keyring, Limits};
use tower_curfew::{Ended, SessionId};

/// A store under a prefix that no other test has, on a connection that sees its keys.
pub(super) struct Place {
    pub(super) store: RedisStore,
    pub(super) raw: MultiplexedConnection,
    pub(super) prefix: String,
    url: String,
}

/// `None` if no server is named.
pub(super) async fn place(test: &str) -> Option<Place> {
    let url = env::var("CURFEW_TEST_REDIS").ok().filter(|url| !url.is_empty());
    let Some(url) = url else {
        skipped(test, "set CURFEW_TEST_REDIS");
        return None;
    };
    Some(Place::at(&url).await)
}

/// Says so past the capture of test output, or nobody would know.
pub(super) fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "{test}: skipped: {why}");
}

impl Place {
    pub(super) async fn at(url: &str) -> Self {
        Self::behind(url, url).await
    }

    /// One whose store reaches the server by another address.
    pub(super) async fn behind(own_url: &str, url: &str) -> Self {
        let prefix = format!("test-{}-{}-{}:", process::id(), now().unix_millis(), unique());
        let options = RedisStore::options(own_url).prefix(&prefix).without_clock_check();
        let store = options.connect().await.unwrap();
        let raw = raw(url).await;
        Self { store, raw, prefix, url: own_url.to_owned() }
    }

    pub(super) fn options(&self) -> RedisOptions {
        RedisStore::options(&self.url).prefix(&self.prefix)
    }

    /// The store with connections of its own, as another machine has it.
    pub(super) async fn another_node(&self) -> RedisStore {
        self.options().without_clock_check().connect().await.unwrap()
    }

    pub(super) fn handle(&self) -> Curfew {
        handle(self.store.clone())
    }

    pub(super) async fn insert(&self, record: Record) -> Arc<Record> {
        let record = Arc::new(record);
        let inserted = self.store.insert(record.clone(), None).await.unwrap();
        assert_eq!(inserted, Inserted::Done);
        record
    }

    pub(super) async fn replace(&self, next: Record) -> Arc<Record> {
        let next = Arc::new(next);
        assert_eq!(self.store.replace(next.clone()).await.unwrap(), Replaced::Done);
        next
    }

    pub(super) async fn load(&self, id: SessionId) -> Option<Arc<Record>> {
        self.store.load(id).await.unwrap().map(|loaded| loaded.record)
    }

    pub(super) async fn listed(&self, key: &Key) -> Vec<SessionId> {
        let listed = self.store.list(key, FIRST_PAGE).await.unwrap();
        assert_eq!((listed.unreadable, listed.next), (0, None));
        listed.records.iter().map(|record| record.id()).collect()
    }

    pub(super) fn key(&self, kind: &str, name: impl AsRef<[u8]>) -> Vec<u8> {
        [self.prefix.as_bytes(), kind.as_bytes(), name.as_ref()].concat()
    }

    /// Where a record is kept and listed.
    pub(super) fn keys_of(&self, record: &Record) -> Vec<Vec<u8>> {
        let session = self.key("session:", record.id().as_bytes());
        let lists = record.keys().into_iter().map(|key| self.key("", key.as_str()));
        [session].into_iter().chain(lists).collect()
    }

    /// How long a key lives; `None` is for ever.
    pub(super) async fn life(&mut self, kind: &str, name: impl AsRef<[u8]>) -> Option<Duration> {
        let key = self.key(kind, name);
        self.life_of(&key).await
    }

    pub(super) async fn life_of(&mut self, key: &[u8]) -> Option<Duration> {
        let left: i64 = self.raw.pttl(key).await.unwrap();
        assert_ne!(left, -2, "{} is there", String::from_utf8_lossy(key));
        (left != -1).then(|| Duration::milliseconds(left))
    }

    /// How many ids a list holds, of whoever.
    pub(super) async fn entries(&mut self, key: &Key) -> usize {
        self.raw.zcard(self.key("", key.as_str())).await.unwrap()
    }

    pub(super) async fn delete(&mut self, kind: &str, name: impl AsRef<[u8]>) {
        let deleted: u32 = self.raw.del(self.key(kind, name)).await.unwrap();
        assert_eq!(deleted, 1);
    }

    /// Its record is gone, as if it had expired: where it is listed it stays listed.
    pub(super) async fn expire(&mut self, record: &Record) {
        self.delete("session:", record.id().as_bytes()).await;
    }

    /// All keys there are, without the prefix.
    pub(super) async fn all_keys(&mut self) -> Vec<Vec<u8>> {
        let (mut cursor, mut found) = (0_u64, Vec::new());
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}*", self.prefix)).arg("COUNT").arg(1000);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.query_async(&mut self.raw).await.unwrap();
            found.extend(keys.iter().map(|key| key[self.prefix.len()..].to_vec()));
            if next == 0 {
                found.sort();
                found.dedup();
                return found;
            }
            cursor = next;
        }
    }

    pub(super) async fn clear(mut self) {
        let keys = self.all_keys().await;
        for key in keys {
            let key = self.key("", key);
            let () = self.raw.del(key).await.unwrap();
        }
    }
}

/// Only what hangs takes longer, however busy this machine is.
pub(super) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in time")
}

/// Looks again and again until it is so.
pub(super) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "waited in vain for {what}");
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

pub(super) async fn raw(url: &str) -> MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// One that waits for an answer as long as it takes.
pub(super) fn handle(store: impl Store) -> Curfew {
    handle_with(store, Duration::MINUTE)
}

pub(super) fn handle_with(store: impl Store, timeout: Duration) -> Curfew {
    let keyring = Keyring::from_bytes([7; 32]).unwrap();
    Curfew::builder(store, keyring).timeout(timeout).purge_by_hand().build().unwrap()
}

pub(super) fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(i64::try_from(now.as_millis()).unwrap())
}

pub(super) fn record(user: &str) -> Record {
    began(now(), user)
}

/// Ids are spread as random ones are.
pub(super) fn began(created: Timestamp, user: &str) -> Record {
    let number = u128::from(now().unix_millis().unsigned_abs()) << 32 | u128::from(unique());
    let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
    let secret = SecretHash::from_bytes([7; 32]);
    Record::begin(SessionId::from_bytes(id), secret, user, created, unique())
        .with_limits(Limits::idle(Duration::days(28)))
        .with_purge_after(created + Duration::days(35))
}

pub(super) fn member(user: &str, orgs: &[&str]) -> Record {
    join(record(user), orgs)
}

/// A record that belongs to these, and to no others.
pub(super) fn join(record: Record, orgs: &[&str]) -> Record {
    let joined = record.created();
    let join = |org: &&str| Membership { org: (*org).into(), stamp: Stamp::default(), joined };
    record.with_memberships(orgs.iter().map(join).collect())
}

/// A session whose record may be deleted by now.
pub(super) fn due(user: &str) -> Record {
    let created = now() - Duration::HOUR;
    let id = record(user).id();
    let secret = SecretHash::from_bytes([7; 32]);
    Record::begin(id, secret, user, created, unique()).with_purge_after(now() - Duration::SECOND)
}

pub(super) fn next(record: &Record) -> Record {
    record.next(unique())
}

/// The next record, with activity so many milliseconds later.
pub(super) fn active(record: &Record, later: i64) -> Record {
    next(record).with_activity(record.last_seen() + Duration::milliseconds(later))
}

pub(super) fn ended(record: &Record) -> Record {
    next(record).with_end(Ended::revoked(now()))
}

/// That a record was found as it was set. One that was read does not know its previous revision.
#[track_caller]
pub(super) fn assert_same(found: &Record, set: &Record) {
    assert_eq!(found.encode(), set.encode(), "{found:?} is not {set:?}");
}

/// Rules for an organization that had none.
pub(super) async fn first_rules() -> OrgRules {
    let store = MemoryStore::new();
    handle(store.clone()).operator("tests").revoke_org("any").await.unwrap();
    let changed = store.rules_since(Revision::NONE, 1).await.unwrap().changes.remove(0);
    changed.rules.unwrap()
}

pub(super) const FIRST_PAGE: Page = Page { after: None, at_most: 1000 };

pub(super) fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
