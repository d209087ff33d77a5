//! However many sessions one call is about, everybody else has their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::yield_now;
use tower_curfew::clock::{ManualClock, Timestamp};
use tower_curfew::store::{
    Cap, Inserted, Key, Listed, Loaded, MemoryStore, OrgRules, Page, Record, Replaced, Revision,
    RulesChanged, Store, StoreError,
};
use tower_curfew::{
    AtCap, ClientInfo, Curfew, ErrorKind, NewSession, OrgPolicy, Selector, SessionId,
};

use crate::support::{days, filed, is_long, keyring};

/// A store that answers at once, and counts how much it is asked for between two turns of others.
#[derive(Clone)]
struct Counting {
    inner: MemoryStore,
    counts: Arc<Counts>,
    /// How long a page of a list takes.
    slow: Duration,
}

#[derive(Default)]
struct Counts {
    /// How often somebody else had a turn.
    turns: AtomicU64,
    turn_of_last: AtomicU64,
    since: AtomicU64,
    most: AtomicU64,
}

impl Counting {
    fn count(&self, sessions: usize) {
        let counts = &self.counts;
        let turn = counts.turns.load(Ordering::SeqCst);
        if counts.turn_of_last.swap(turn, Ordering::SeqCst) != turn {
            counts.since.store(0, Ordering::SeqCst);
        }
        let since = counts.since.fetch_add(sessions as u64, Ordering::SeqCst) + sessions as u64;
        counts.most.fetch_max(since, Ordering::SeqCst);
    }
}

impl Store for Counting {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        self.inner.insert(record, cap).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        self.inner.load(id).await
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        self.count(1);
        self.inner.replace(record).await
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        if !self.slow.is_zero() {
            tokio::time::sleep(self.slow).await;
        }
        let listed = self.inner.list(key, page).await?;
        self.count(listed.records.len());
        Ok(listed)
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        self.inner.rules_since(revision, at_most).await
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.inner.replace_rules(org, rules, now).await
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let purged = self.inner.purge(now, at_most).await?;
        self.count(usize::try_from(purged).unwrap());
        Ok(purged)
    }
}

/// More than a count looks at, in any case.
fn sessions() -> u32 {
    if is_long() { 100_000 } else { 20_000 }
}

/// Many sessions of one user and one organization.
async fn crowded(slow: Duration, timeout: time::Duration) -> (Counting, ManualClock, Curfew) {
    let store = Counting { inner: MemoryStore::new(), counts: Arc::default(), slow };
    let clock = ManualClock::default();
    let builder = Curfew::builder(store.clone(), keyring()).clock(clock.clone()).timeout(timeout);
    let curfew = builder.at_most_per_user(10, AtCap::EndOldest).purge_by_hand().build().unwrap();
    let now = clock_now(&clock);
    for number in 0..sessions() {
        let record = filed(number, "ada", "acme", now);
        assert_eq!(store.insert(record, None).await.unwrap(), Inserted::Done);
    }
    (store, clock, curfew)
}

fn clock_now(clock: &ManualClock) -> Timestamp {
    tower_curfew::clock::Clock::now(clock)
}

/// Does something, and says how many sessions the store was asked for at most while nobody else had a
/// turn.
async fn at_a_stretch(store: &Counting, work: impl AsyncFnOnce()) -> u64 {
    let counts = store.counts.clone();
    counts.most.store(0, Ordering::SeqCst);
    let others = tokio::spawn(async move {
        loop {
            counts.turns.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
        }
    });
    work().await;
    others.abort();
    store.counts.most.load(Ordering::SeqCst)
}

#[tokio::test]
async fn trap_40_a_loop_over_very_many_sessions_lets_others_have_their_turn() {
    for what in ["list", "count", "preview", "set_orgs", "revoke", "make room", "purge"] {
        // However busy the machine is.
        let (store, clock, curfew) = crowded(Duration::ZERO, time::Duration::MINUTE).await;
        let own = curfew.clone();
        let done = async || match what {
            "list" => assert_eq!(own.list("ada").await.unwrap().len(), 1_000),
            "count" => {
                let counted = own.count_org("acme").await.unwrap();
                assert_eq!((counted.sessions, counted.at_least), (10_000, true));
            }
            "preview" => {
                let session = session(&own).await;
                let hour = OrgPolicy::absolute(time::Duration::HOUR);
                let preview = own.preview("acme", hour, &session).await.unwrap();
                assert_eq!((preview.shortened, preview.at_least), (10_000, true));
            }
            "set_orgs" => own.set_orgs("ada", ["acme", "globex"]).await.unwrap(),
            "revoke" => {
                let all = Selector::user("ada");
                let revoked = own.operator("tests").revoke(all).await.unwrap();
                assert_eq!(revoked, u64::from(sessions()));
            }
            "make room" => {
                let new = NewSession::for_user("ada");
                let _ = own.start(new, &ClientInfo::for_tests()).await.unwrap();
                assert_eq!(own.list("ada").await.unwrap().len(), 10);
            }
            _ => {
                clock.advance(days(36));
                assert_eq!(own.purge().await.unwrap(), u64::from(sessions()));
            }
        };
        let most = at_a_stretch(&store, done).await;
        assert!((1..=250).contains(&most), "{what}: {most} at a stretch");
    }
}

async fn session(curfew: &Curfew) -> tower_curfew::Session {
    use axum::http::{Request, header};
    use tower::Layer as _;
    use tower::{ServiceExt as _, service_fn};

    let new = NewSession::for_user("grace");
    let cookie = curfew.start(new, &ClientInfo::for_tests()).await.unwrap();
    let (told, heard) = tokio::sync::oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let service = curfew.layer().layer(service_fn(move |request: Request<()>| {
        let session = tower_curfew::Presence::of(&request).unwrap().session().cloned().unwrap();
        let _ = told.lock().unwrap().take().unwrap().send(session);
        async { Ok::<_, ()>(axum::http::Response::new(axum::body::Bytes::new())) }
    }));
    let request =
        Request::get("/").header(header::COOKIE, cookie.request_header()).body(()).unwrap();
    service.oneshot(request).await.unwrap();
    heard.await.unwrap()
}

/// A loop looks at its time, even where each answer comes in time.
#[tokio::test(start_paused = true)]
async fn trap_40_a_loop_that_takes_too_long_ends() {
    let (_, _, curfew) = crowded(Duration::from_millis(500), time::Duration::SECOND).await;
    let begun = tokio::time::Instant::now();
    let error = curfew.count_org("acme").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let waited = begun.elapsed();
    let expected = Duration::from_secs(10)..=Duration::from_secs(11);
    assert!(expected.contains(&waited), "{waited:?}");
}
