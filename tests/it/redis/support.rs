//! A place of its own for each test, and sessions to put there.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration as StdDuration, SystemTime, UNIX_EPOCH};
use std::{env, process};

use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use time::Duration;
use tower_curfew::Timestamp;
use tower_curfew::store::{
    Client, Facts, Insert, Kind, Membership, Page, Record, RedisOptions, RedisStore, SecretHash,
    Selector, SessionId, SetOrgs, Store as _, Touch,
};

/// A store under a prefix that no other test has, on a connection that sees its keys.
pub(super) struct Place {
    pub(super) store: RedisStore,
    pub(super) raw: MultiplexedConnection,
    pub(super) prefix: String,
    url: String,
}

/// `None` if no server is named.
pub(super) async fn place(test: &str) -> Option<Place> {
    let Ok(url) = env::var("CURFEW_TEST_REDIS") else {
        skipped(test, "set CURFEW_TEST_REDIS");
        return None;
    };
    Some(Place::at(url).await)
}

/// Says so past the capture of test output, or nobody would know.
pub(super) fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "{test}: skipped: {why}");
}

impl Place {
    pub(super) async fn at(url: String) -> Self {
        let prefix = format!("test-{}-{}:", process::id(), unique());
        let builder = RedisStore::options(&url).key_prefix(&prefix).without_clock_check();
        let store = builder.connect().await.unwrap();
        let client = redis::Client::open(&*url).unwrap();
        let raw = client.get_multiplexed_async_connection().await.unwrap();
        Self { store, raw, prefix, url }
    }

    pub(super) fn builder(&self) -> RedisOptions {
        RedisStore::options(&self.url).key_prefix(&self.prefix)
    }

    pub(super) async fn insert(&self, record: &Record) {
        let stored = self.store.insert(record.clone(), &[], None).await.unwrap();
        assert_eq!(stored, Insert::Stored);
    }

    pub(super) async fn listed(&self, which: &Selector) -> Vec<SessionId> {
        let listed = self.store.list(which, Page { after: None, at_most: 1000 }).await.unwrap();
        listed.iter().map(|facts| facts.record().id).collect()
    }

    pub(super) fn key(&self, kind: &str, name: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), kind.as_bytes(), name].concat()
    }

    pub(super) fn keys_of(&self, record: &Record) -> Vec<(&'static str, Vec<u8>)> {
        let mut keys = vec![
            ("session:", record.id.as_bytes().to_vec()),
            ("user:", record.user.as_bytes().to_vec()),
        ];
        keys.extend(record.memberships.iter().map(|m| ("members:", m.org.as_bytes().to_vec())));
        keys
    }

    /// How long a key lives; `None` is for ever.
    pub(super) async fn life(&mut self, kind: &str, name: &[u8]) -> Option<StdDuration> {
        let left: i64 = self.raw.pttl(self.key(kind, name)).await.unwrap();
        assert_ne!(left, -2, "{kind} is there");
        u64::try_from(left).ok().map(|left| StdDuration::from_millis(left.next_multiple_of(1000)))
    }

    pub(super) async fn members(&mut self, kind: &str, name: &str) -> usize {
        self.raw.zcard(self.key(kind, name.as_bytes())).await.unwrap()
    }

    pub(super) async fn delete(&mut self, kind: &str, name: &[u8]) {
        let deleted: u32 = self.raw.del(self.key(kind, name)).await.unwrap();
        assert_eq!(deleted, 1);
    }

    pub(super) async fn clear(mut self) {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}*", self.prefix)).arg("COUNT").arg(1000);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.query_async(&mut self.raw).await.unwrap();
            if !keys.is_empty() {
                let () = self.raw.del(keys).await.unwrap();
            }
            if next == 0 {
                return;
            }
            cursor = next;
        }
    }
}

pub(super) fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(i64::try_from(now.as_millis()).unwrap())
}

pub(super) fn record(user: &str) -> Record {
    let mut id = [0xa5; 16];
    id[..8].copy_from_slice(&now().unix_millis().to_be_bytes());
    id[8..].copy_from_slice(&unique().to_be_bytes());
    let now = now();
    Record {
        id: SessionId::from_bytes(id),
        secret_hash: SecretHash::from_bytes([7; 32]),
        user: user.into(),
        kind: Kind::Browser,
        name: None,
        memberships: Vec::new(),
        created: now,
        authenticated: now,
        seen: now,
        ends_by: None,
        idle: Some(Duration::days(28)),
        client: Client::default(),
        ended: None,
        purge_after: now + Duration::days(35),
    }
}

pub(super) fn member(user: &str, orgs: &[&str]) -> Record {
    let record = record(user);
    let join = |org: &&str| Membership {
        org: (*org).into(),
        generation: 0,
        version: 0,
        joined: record.created,
    };
    Record { memberships: orgs.iter().map(join).collect(), ..record }
}

pub(super) fn touch(record: &Record, later: i64) -> Touch {
    Touch {
        id: record.id,
        secret_hash: record.secret_hash,
        seen: record.seen + Duration::milliseconds(later),
        last_seen: record.seen,
        client: Client::default(),
        purge_after: record.purge_after,
    }
}

/// The session shall belong to these, and nothing else shall change.
pub(super) fn add_orgs(seen: &Facts, orgs: &[&str]) -> SetOrgs {
    SetOrgs {
        seen: seen.clone(),
        orgs: orgs.iter().map(|org| Arc::from(*org)).collect(),
        joined: now(),
        ends_by: seen.record().ends_by.clone(),
        purge_after: seen.record().purge_after,
    }
}

fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
