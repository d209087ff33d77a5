//! What one call costs the *server*: processor time, bytes on the network, bytes of its log; and what a
//! change costs it for each connection that listens. The page on scale computes with these figures.
//!
//! ```text
//! export CURFEW_TEST_REDIS=redis://127.0.0.1:6379/
//! export CURFEW_TEST_POSTGRES=postgres://user@127.0.0.1/database
//! cargo run --release --manifest-path benches/Cargo.toml -- costs
//! ```
//!
//! The servers must run on this machine, since their processor time is read from `/proc`, and serve nobody
//! else. Start Redis with `--appendonly yes --auto-aof-rewrite-percentage 0`, and PostgreSQL with
//! `-c max_connections=300`. It prints lines for `measured.toml`. Callers are as nodes are: each has a store with
//! connections of its own, and one call under way. So nothing is pipelined or shared, as on a site with many
//! nodes that are not busy. What a busy one makes of that is measured beside it, by loads.

mod postgres;
mod redis;
mod sqlite;

use std::env;
use std::fs;
use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tower_curfew::Ended;
use tower_curfew::clock::{Clock as _, SystemClock};
use tower_curfew::store::{Cap, Inserted, Record, Replaced, Revision, Store};

use crate::records::{Facts, Records};

pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        if let Ok(url) = env::var("CURFEW_TEST_REDIS") {
            redis::run(&url).await;
        }
        if let Ok(url) = env::var("CURFEW_TEST_POSTGRES") {
            postgres::run(&url).await;
        }
        sqlite::run().await;
    });
}

/// Processor time that a process and its children have used, by their first threads, in seconds.
fn processor_time(process: u32) -> f64 {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of_it = ids.filter(|id| *id == process || parent(*id) == Some(process));
    of_it.filter_map(nanoseconds).sum::<f64>() / 1e9
}

fn nanoseconds(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok()
}

fn parent(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may have spaces.
    text.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// So many calls are under way at a node that is busy.
const UNDER_WAY: usize = 64;

/// People who are signed in at nodes of their own.
struct Site<S> {
    nodes: Vec<S>,
    /// The last record of each session, by node.
    sessions: Vec<Vec<Arc<Record>>>,
}

impl<S: Store + Clone> Site<S> {
    fn new(nodes: Vec<S>) -> Self {
        Self { sessions: vec![Vec::new(); nodes.len()], nodes }
    }

    /// What an app with the defaults asks at each sign-in: for the rules, and to file the session.
    async fn sign_in(&mut self, at_each: usize) -> u32 {
        self.each_node(at_each, |store, _, _| async move {
            store.rules_since(Revision::NONE, 1000).await.expect("a store");
            let record = session();
            let cap = Some(Cap { at_most: 1000, except: None });
            assert_eq!(store.insert(record.clone(), cap).await.expect("a store"), Inserted::Done);
            record
        })
        .await
    }

    async fn load(&mut self, at_each: usize) -> u32 {
        self.each_node(at_each, |store, sessions, turn| async move {
            let record = sessions[turn].clone();
            assert!(store.load(record.id()).await.expect("a store").is_some());
            record
        })
        .await
    }

    /// What a sign-in asks besides.
    async fn rules(&mut self, at_each: usize) -> u32 {
        self.each_node(at_each, |store, sessions, turn| async move {
            store.rules_since(Revision::NONE, 1000).await.expect("a store");
            sessions[turn].clone()
        })
        .await
    }

    async fn touch(&mut self, at_each: usize) -> u32 {
        self.change(at_each, |record| record.with_activity(SystemClock.now()).as_quiet()).await
    }

    async fn end(&mut self, at_each: usize) -> u32 {
        self.change(at_each, |record| record.with_end(Ended::revoked(SystemClock.now()))).await
    }

    /// Each session at most once, so that nobody is told `Stale`.
    async fn change(&mut self, at_each: usize, change: fn(Record) -> Record) -> u32 {
        self.each_node(at_each, move |store, sessions, turn| async move {
            let next = Arc::new(change(sessions[turn].next(nonce())));
            assert_eq!(store.replace(next.clone()).await.expect("a store"), Replaced::Done);
            next
        })
        .await
    }

    /// Has each node do something so often, one after the other, and keeps the records that result. Says how
    /// often it was done.
    async fn each_node<F>(
        &mut self,
        times: usize,
        call: impl Fn(S, Arc<Vec<Arc<Record>>>, usize) -> F + Clone + Send + 'static,
    ) -> u32
    where
        F: Future<Output = Arc<Record>> + Send,
    {
        let mut under_way = JoinSet::new();
        for (number, store) in self.nodes.iter().enumerate() {
            let (store, call) = (store.clone(), call.clone());
            let sessions = Arc::new(self.sessions[number].clone());
            under_way.spawn(async move {
                let mut records = Vec::with_capacity(times);
                for turn in 0..times {
                    records.push(call(store.clone(), sessions.clone(), turn).await);
                }
                (number, records)
            });
        }
        for (number, records) in under_way.join_all().await {
            let sessions = &mut self.sessions[number];
            let kept = sessions.split_off(records.len().min(sessions.len()));
            *sessions = [records, kept].concat();
        }
        (times * self.nodes.len()) as u32
    }
}

/// One more session, of somebody else.
fn session() -> Arc<Record> {
    static RECORDS: LazyLock<Records> = LazyLock::new(|| Records::new(SystemClock.now(), 1));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    Arc::new(RECORDS.record(COUNT.fetch_add(1, Ordering::Relaxed), Facts::ALL))
}

fn nonce() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// What a server has used so far.
#[derive(Clone, Copy, Default)]
struct Used {
    seconds: f64,
    /// Those of this process.
    own_seconds: f64,
    received: f64,
    sent: f64,
    logged: f64,
}

/// Prints what each of so many calls has cost.
fn print(name: &str, calls: u32, [before, after]: [Used; 2]) {
    let each = |of: fn(&Used) -> f64| (of(&after) - of(&before)) / f64::from(calls);
    println!(
        "{name} = {{ cpu_us = {:.1}, node_cpu_us = {:.1}, received = {:.0}, sent = {:.0}, logged = {:.0} }}",
        each(|used| used.seconds) * 1e6,
        each(|used| used.own_seconds) * 1e6,
        each(|used| used.received),
        each(|used| used.sent),
        each(|used| used.logged),
    );
}

/// How often something is done a second, by so many at once.
async fn rate<F>(callers: usize, call: impl Fn(usize) -> F + Clone + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    const TIME: Duration = Duration::from_secs(2);
    let began = Instant::now();
    let mut under_way = JoinSet::new();
    for caller in 0..callers {
        let call = call.clone();
        under_way.spawn(async move {
            let mut calls = 0_u32;
            while began.elapsed() < TIME {
                call(caller).await;
                calls += 1;
            }
            calls
        });
    }
    let calls = under_way.join_all().await.into_iter().sum::<u32>();
    f64::from(calls) / began.elapsed().as_secs_f64()
}
