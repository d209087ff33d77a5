//! Primaries of Redis that are lost, and replicas that take their place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tower_curfew::store::{RedisStore, Store as _};
use tower_curfew::{ClientInfo, Curfew, NewSession, OrgPolicy, Selector, SessionId};

use super::crowd::{Crowd, PATIENCE, turn};
use crate::processes::redis_servers::{Cluster, Watched, until};
use crate::support::{AnyStore, days, is_long, keyring, seconds, server};

/// All go on, and are served again soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_primary_of_a_cluster_is_killed() {
    if server("REDIS").is_none() {
        return;
    }
    let turn = turn().await;
    let mut cluster = spawn_blocking(Cluster::start).await.unwrap();
    let store = AnyStore::redis_acknowledged(&cluster.url(), 1).await;
    // What a site writes first, once replicas acknowledge in time.
    let first = Curfew::builder(store.clone(), keyring()).purge_by_hand().build().unwrap();
    let began = Instant::now();
    while let Err(error) = first.operator("tests").revoke_org("nobody").await {
        assert!(began.elapsed() < PATIENCE, "{error}");
    }
    let crowd = Crowd::over(turn, store).await.whose_sign_ins_may_be_lost();
    for number in 0..2 {
        crowd.is_well().await;
        let killed = cluster.pair(number).0;
        cluster.nodes[killed].kill();
        let began = Instant::now();
        crowd.works_until(Duration::ZERO, |_, unavailable| 0 < unavailable).await;
        crowd.everybody_is_served().await;
        let took = began.elapsed();
        println!("everybody is served again after {took:?}");
        assert!(took < Duration::from_secs(60), "{took:?}");
        cluster = spawn_blocking(move || {
            cluster.nodes[killed].start_again();
            cluster.is_settled();
            cluster
        })
        .await
        .unwrap();
    }
    crowd.is_well().await;
    crowd.goes_home().await;
}

/// What ends is not acknowledged before the replica has it. Otherwise it can be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r05_an_end_that_was_acknowledged_by_a_replica_survives_a_failover() {
    if server("REDIS").is_none() {
        return;
    }
    let _turn = turn().await;
    let (rounds, plain_rounds) = if is_long() { (20, 20) } else { (2, 1) };
    let kept = Losses::of(rounds, 1).await;
    println!("acknowledged by 1 in {rounds} failovers: {kept:?}");
    assert!(kept.ends > 0 && kept.policies > 0, "{kept:?}");
    assert_eq!((kept.ends_lost, kept.policies_lost), (0, 0), "{kept:?}");
    let mut lost = Losses::of(plain_rounds, 0).await;
    // In one of them there may have been nothing to lose.
    for _ in 0..9 {
        if lost.ends_lost + lost.policies_lost == 0 {
            lost = Losses::of(plain_rounds, 0).await;
        }
    }
    println!("acknowledged by the primary alone in {plain_rounds} failovers: {lost:?}");
    let something = lost.ends_lost + lost.policies_lost > 0;
    assert!(something, "so the first part shows something: {lost:?}");
}

/// How much was acknowledged, and how much of it is gone after failovers.
#[derive(Debug, Default)]
struct Losses {
    ends: usize,
    ends_lost: usize,
    policies: usize,
    policies_lost: usize,
}

impl Losses {
    /// Each time a primary loses its replica, works on for a while, and is killed.
    async fn of(rounds: usize, replicas: u32) -> Self {
        let mut cluster = spawn_blocking(Cluster::start).await.unwrap();
        let store = RedisStore::options(cluster.url()).acknowledged_by(replicas);
        let store = store.connect().await.unwrap();
        let curfew = Curfew::builder(store.clone(), keyring()).timeout(seconds(2)).purge_by_hand();
        let curfew = curfew.build().unwrap();
        let mut losses = Self::default();
        for round in 0..rounds {
            let work = Work::begin(&curfew, round);
            sleep(Duration::from_millis(300)).await;
            cluster = spawn_blocking(move || {
                let primary = cluster.pair(round).0;
                let primary = &mut cluster.nodes[primary];
                primary.cli(&["acl", "setuser", "default", "-psync", "-sync"]).unwrap();
                primary.cli(&["client", "kill", "type", "replica"]).unwrap();
                std::thread::sleep(Duration::from_millis(300));
                primary.kill();
                let port = primary.port;
                // Until it is over, or it would be the primary again when it comes back.
                cluster.is_served_without(port);
                for node in cluster.nodes.iter_mut().filter(|node| node.port == port) {
                    node.start_again();
                }
                cluster.is_settled();
                cluster
            })
            .await
            .unwrap();
            let (ends, policies) = work.finish().await;
            losses.ends += ends.len();
            losses.policies += policies.len();
            for id in ends {
                let found = store.load(id).await.unwrap();
                let lives = found.is_some_and(|loaded| !loaded.record.has_ended());
                losses.ends_lost += usize::from(lives);
            }
            for org in policies {
                losses.policies_lost += usize::from(curfew.policy(&org).await.unwrap().is_none());
            }
        }
        losses
    }
}

/// People who sign in and out, and admins who save policies, and what they were told was done.
struct Work {
    is_over: Arc<AtomicBool>,
    people: JoinSet<(Vec<SessionId>, Vec<String>)>,
}

impl Work {
    fn begin(curfew: &Curfew, round: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut people = JoinSet::new();
        for person in 0..16 {
            let (curfew, is_over) = (curfew.clone(), is_over.clone());
            people.spawn(async move {
                let (mut ends, mut policies) = (Vec::new(), Vec::new());
                let operator = curfew.operator("tests");
                let mut turn = 0;
                while !is_over.load(Ordering::SeqCst) {
                    turn += 1;
                    let name = format!("{round}-{person}-{turn}");
                    let new = NewSession::for_user(&name);
                    if let Ok(cookie) = curfew.start(new, &ClientInfo::for_tests()).await
                        && operator.revoke(Selector::user(&name)).await.is_ok()
                    {
                        ends.extend(cookie.session());
                    }
                    let policy = OrgPolicy::absolute(days(1));
                    if turn % 8 == 0 && operator.set_policy(&name, policy).await.is_ok() {
                        policies.push(name);
                    }
                    // Whoever is refused at once does not ask again at once.
                    sleep(Duration::from_millis(1)).await;
                }
                (ends, policies)
            });
        }
        Self { is_over, people }
    }

    async fn finish(self) -> (Vec<SessionId>, Vec<String>) {
        self.is_over.store(true, Ordering::SeqCst);
        let done = self.people.join_all().await;
        let (ends, policies): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        (ends.concat(), policies.concat())
    }
}

/// A primary hangs, is replaced, and goes on as if nothing had been: what it says counts no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_trap_46_after_a_failover_nobody_hears_of_the_old_primary() {
    if server("REDIS").is_none() {
        return;
    }
    let _turn = turn().await;
    let mut watched = spawn_blocking(Watched::start).await.unwrap();
    let store = RedisStore::connect(watched.url()).await.unwrap();
    let curfew = Curfew::builder(store.clone(), keyring()).timeout(seconds(2)).purge_by_hand();
    let curfew = curfew.build().unwrap();
    let cookie = curfew.start(NewSession::for_user("ada"), &ClientInfo::for_tests()).await;
    let id = cookie.unwrap().session().unwrap();
    // Somebody records activity, and everybody looks at it: it must not go backwards.
    let (is_over, reads, writes) = (Arc::<AtomicBool>::default(), counter(), counter());
    let is_paused = Arc::<AtomicBool>::default();
    let mut people = JoinSet::new();
    for person in 0..16 {
        let (store, is_over) = (store.clone(), is_over.clone());
        let (reads, writes, is_paused) = (reads.clone(), writes.clone(), is_paused.clone());
        people.spawn(async move {
            let mut latest = None;
            while !is_over.load(Ordering::SeqCst) {
                let load = tokio::time::timeout(Duration::from_secs(1), store.load(id));
                if let Ok(Ok(loaded)) = load.await {
                    let record = loaded.expect("it is there, on each of them").record;
                    let seen = record.last_seen();
                    // Another answer may have overtaken this one.
                    assert!(latest <= Some(seen), "{latest:?}, and then {seen}");
                    latest = Some(seen);
                    reads.fetch_add(1, Ordering::SeqCst);
                    if person == 0 && !is_paused.load(Ordering::SeqCst) {
                        let later = seen + time::Duration::MILLISECOND;
                        let next = record.next(later.unix_millis() as u32).with_activity(later);
                        let write = store.replace(Arc::new(next));
                        let write = tokio::time::timeout(Duration::from_secs(1), write);
                        writes.fetch_add(
                            u64::from(matches!(write.await, Ok(Ok(_)))),
                            Ordering::SeqCst,
                        );
                    }
                }
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
    for round in 0..if is_long() { 20 } else { 2 } {
        let (old, new) = (round % 2, (round + 1) % 2);
        let is_served = async || {
            let (before, written) = (reads.load(Ordering::SeqCst), writes.load(Ordering::SeqCst));
            let began = Instant::now();
            while reads.load(Ordering::SeqCst) < before + 160
                || writes.load(Ordering::SeqCst) < written + 10
            {
                assert!(began.elapsed() < Duration::from_secs(120), "nobody is served");
                sleep(Duration::from_millis(10)).await;
            }
        };
        is_served().await;
        // What the replica does not have is lost with the primary: here nothing.
        is_paused.store(true, Ordering::SeqCst);
        watched = spawn_blocking(move || {
            std::thread::sleep(Duration::from_secs(1));
            let offset = |at: usize| watched.servers[at].replication("master_repl_offset");
            until("a replica that has all", || offset(old) == offset(new));
            watched.servers[old].freeze();
            watched.is_promoted(new);
            watched
        })
        .await
        .unwrap();
        is_paused.store(false, Ordering::SeqCst);
        is_served().await;
        watched.servers[old].thaw();
        is_served().await;
        watched = spawn_blocking(move || {
            watched.is_demoted(old);
            watched
        })
        .await
        .unwrap();
    }
    is_over.store(true, Ordering::SeqCst);
    people.join_all().await;
}

fn counter() -> Arc<AtomicU64> {
    Arc::default()
}
