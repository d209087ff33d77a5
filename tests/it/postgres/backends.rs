//! How many connections the server has, whatever hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, spawn_blocking};
use tokio_postgres::Client;
use tower_curfew::store::{PostgresStore, Replaced, Store};

use super::relay::Relay;
use super::servers::Server;
use super::support::{active, eventually, id, in_time, is_long, record, say, stored};

const CONNECTIONS: i64 = 4;

/// As `PostgresStore` says.
const MOST: i64 = CONNECTIONS + 2;

/// As long as a handle waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// People at work, who give up what takes too long.
struct Work {
    store: PostgresStore,
    stops: Arc<AtomicBool>,
    read: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
    people: JoinSet<()>,
}

impl Work {
    async fn at(port: u16) -> Self {
        let url = format!("postgres://curfew@127.0.0.1:{port}/postgres?application_name=site");
        let options = PostgresStore::options(url).without_clock_check();
        let store = options.connections(CONNECTIONS as usize).connect().await.unwrap();
        let (stops, mut people) = (Arc::<AtomicBool>::default(), JoinSet::new());
        let (read, written) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        for number in 0..16 {
            stored(&store, record(number, "ada", &[])).await;
            let (store, stops) = (store.clone(), stops.clone());
            let (read, written) = (read.clone(), written.clone());
            people.spawn(async move {
                let mut seen = 2000;
                while !stops.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let found = tokio::time::timeout(TIMEOUT, store.load(id(number))).await;
                    let Ok(Ok(found)) = found else { continue };
                    read.fetch_add(1, Ordering::SeqCst);
                    seen += 1000;
                    let next = active(&found.expect("it was made").record, seen);
                    let answer = tokio::time::timeout(TIMEOUT, store.replace(next)).await;
                    if matches!(answer, Ok(Ok(Replaced::Done))) {
                        written.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        Self { store, stops, read, written, people }
    }

    async fn goes_on(&self) {
        for count in [&self.read, &self.written] {
            let before = count.load(Ordering::SeqCst);
            eventually("work", async || before + 100 < count.load(Ordering::SeqCst)).await;
        }
    }

    async fn ends(self) {
        self.stops.store(true, Ordering::SeqCst);
        in_time(self.people.join_all()).await;
        drop(self.store);
    }
}

/// The most connections that the server has had for so long.
async fn most_within(watcher: &Client, time: Duration) -> i64 {
    let (began, mut most) = (Instant::now(), 0);
    while began.elapsed() < time {
        most = most.max(count(watcher).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    most
}

async fn count(watcher: &Client) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'site'";
    watcher.query_one(count, &[]).await.unwrap().get(0)
}

/// How long it goes wrong: longer than it takes to give up a connection.
fn some_time() -> Duration {
    Duration::from_secs(if is_long() { 7 * 60 } else { 18 })
}

async fn started() -> Option<Server> {
    spawn_blocking(Server::start).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_48_a_synchronous_standby_that_is_gone_does_not_fill_the_server() {
    let Some(server) = started().await else { return };
    let work = Work::at(server.port()).await;
    work.goes_on().await;
    let watcher = server.client().await;
    server
        .run("ALTER SYSTEM SET synchronous_standby_names = 'gone'; SELECT pg_reload_conf()")
        .await;
    let read = work.read.load(Ordering::SeqCst);
    let most = most_within(&watcher, some_time()).await;
    say(&format!("a standby that is gone: at most {most} connections in {:?}", some_time()));
    assert!((CONNECTIONS - 1..=MOST).contains(&most), "{most}");
    assert!(read + 100 < work.read.load(Ordering::SeqCst), "reads go on");
    server.run("ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()").await;
    work.goes_on().await;
    assert!(most_within(&watcher, Duration::from_secs(1)).await <= MOST);
    eventually("as many as configured", async || count(&watcher).await == CONNECTIONS).await;
    work.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_48_a_network_that_swallows_connections_does_not_fill_the_server() {
    let Some(server) = started().await else { return };
    let relay = Relay::to(server.port()).await;
    let work = Work::at(relay.port).await;
    work.goes_on().await;
    let watcher = server.client().await;
    relay.swallows();
    let mut most = most_within(&watcher, Duration::from_secs(2)).await;
    relay.takes_new_ones();
    most = most.max(most_within(&watcher, some_time()).await);
    say(&format!("connections that are swallowed: at most {most} in {:?}", some_time()));
    assert!((CONNECTIONS..=MOST).contains(&most), "{most}");
    work.goes_on().await;
    relay.swallows();
    most = most_within(&watcher, some_time()).await;
    assert!(most <= MOST, "{most}");
    relay.takes_new_ones();
    work.goes_on().await;
    eventually("as many as configured", async || count(&watcher).await == CONNECTIONS).await;
    work.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_48_a_server_that_was_frozen_is_not_full_afterwards() {
    let Some(server) = started().await else { return };
    let work = Work::at(server.port()).await;
    work.goes_on().await;
    let watcher = server.client().await;
    server.freeze();
    tokio::time::sleep(some_time()).await;
    server.thaw();
    let most = most_within(&watcher, Duration::from_secs(3)).await;
    say(&format!("a server that was frozen for {:?}: at most {most} connections", some_time()));
    assert!(most <= MOST, "{most}");
    work.goes_on().await;
    assert!(most_within(&watcher, Duration::from_secs(1)).await <= MOST);
    work.ends().await;
}
