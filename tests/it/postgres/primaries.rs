//! Failovers: whichever servers take themselves for the primary, a node asks one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tower_curfew::store::{Inserted, PostgresOptions, PostgresStore, Store};

use super::relay::Relay;
use super::servers::Server;
use super::support::{chain, eventually, id, in_time, is_long, nonce, record, say, stored};

const WORKERS: u32 = 16;

/// Above this bit of the revision of all rules stands the round in which a server was promoted, so each
/// read tells which one has answered.
const ROUND: u32 = 45;

/// What the workers have seen, and have done wrong.
#[derive(Default)]
struct Seen {
    round: AtomicU64,
    answers: AtomicU64,
    failures: AtomicU64,
    /// Answers of an old primary, after the first one of the new.
    old: AtomicU64,
    /// Sessions that were just made, and unknown.
    unknown: AtomicU64,
    checked: AtomicU64,
    is_quiet: AtomicBool,
    stops: AtomicBool,
}

/// The old one goes on as a primary, or comes back as one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_46_no_answer_comes_from_the_old_primary_after_the_first_from_the_new_one() {
    let servers = spawn_blocking(|| {
        let primary = Server::start()?;
        let replica = Server::replica_of(&primary);
        Some([primary, replica])
    });
    let Some(mut servers) = servers.await.unwrap() else { return };
    let [first, second] = [servers[0].port(), servers[1].port()];
    let url = format!(
        "postgres://curfew@127.0.0.1:{first},127.0.0.1:{second}/postgres?application_name=site"
    );
    let options = || PostgresStore::options(&url).without_clock_check();
    let store = options().connect().await.unwrap();
    stored(&store, record(0, "ada", &["acme"])).await;
    let seen = Arc::<Seen>::default();
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        workers.spawn(work(store.clone(), seen.clone(), number));
    }
    let rounds = if is_long() { 20 } else { 3 };
    for round in 1..=rounds {
        let (old, new) = ((round + 1) % 2, round % 2);
        is_copied(&servers[old], &servers[new]).await;
        let before = seen.answers.load(Ordering::SeqCst);
        servers = spawn_blocking(move || {
            servers[new].promote();
            servers
        })
        .await
        .unwrap();
        let mark = format!("UPDATE curfew_schema SET rules = {round}::bigint << {ROUND}");
        servers[new].run(&mark).await;
        match round % 3 {
            // One connection breaks, and its successor is the first to see the new one.
            1 => cut(&servers[old], "LIMIT 1").await,
            // It comes back as what it was.
            2 => {
                servers = spawn_blocking(move || {
                    servers[old].kill();
                    servers[old].start_again();
                    servers
                })
                .await
                .unwrap();
            }
            // Nothing breaks, and the new one is found all the same.
            _ => {}
        }
        eventually("the new primary", async || seen.round.load(Ordering::SeqCst) == round as u64)
            .await;
        seen.is_quiet.store(true, Ordering::SeqCst);
        eventually("no connection to the old one", async || connections(&servers[old]).await == 0)
            .await;
        // Now the old one is there and the new one is not, so nobody answers.
        servers = spawn_blocking(move || {
            servers[new].kill();
            servers
        })
        .await
        .unwrap();
        eventually("errors", async || store.load(id(0)).await.is_err()).await;
        let error = chain(&in_time(store.load(id(0))).await.unwrap_err());
        assert!(error.contains("the session store cannot be reached"), "{error}");
        servers = spawn_blocking(move || {
            servers[new].start_again();
            servers
        })
        .await
        .unwrap();
        cut(&servers[new], "LIMIT 1").await;
        let checked = seen.checked.load(Ordering::SeqCst);
        eventually("work", async || checked + 50 < seen.checked.load(Ordering::SeqCst)).await;
        assert!(connections(&servers[new]).await <= 4 + 2);
        assert_eq!(seen.old.load(Ordering::SeqCst), 0, "answers of the old primary");
        assert_eq!(seen.unknown.load(Ordering::SeqCst), 0, "sessions just made");
        assert!(before < seen.answers.load(Ordering::SeqCst));
        seen.is_quiet.store(false, Ordering::SeqCst);
        // A call that began while it was quiet may still be under way.
        tokio::time::sleep(Duration::from_millis(200)).await;
        servers = spawn_blocking(move || {
            let [a, b] = &mut servers;
            if old == 0 {
                a.becomes_replica_of(b);
            } else {
                b.becomes_replica_of(a);
            }
            servers
        })
        .await
        .unwrap();
    }
    seen.stops.store(true, Ordering::SeqCst);
    in_time(workers.join_all()).await;
    let counts = [&seen.old, &seen.answers, &seen.failures, &seen.unknown, &seen.checked];
    let [old, answers, failures, unknown, checked] =
        counts.map(|count| count.load(Ordering::SeqCst));
    say(&format!(
        "{rounds} failovers: {old} of {answers} answers from an old primary, {failures} errors, \
         {unknown} of {checked} new sessions unknown"
    ));
    assert_eq!(old, 0);
    drop((store, servers));
}

/// Asks for a session that is alive, and makes some.
async fn work(store: PostgresStore, seen: Arc<Seen>, worker: u32) {
    while !seen.stops.load(Ordering::SeqCst) {
        let before = seen.round.load(Ordering::SeqCst);
        match in_time(store.load(id(0))).await {
            Ok(found) => {
                let found = found.expect("it is there on all of them");
                let round = found.rules.as_u64() >> ROUND;
                if round < before {
                    seen.old.fetch_add(1, Ordering::SeqCst);
                }
                seen.round.fetch_max(round, Ordering::SeqCst);
                seen.answers.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => drop(seen.failures.fetch_add(1, Ordering::SeqCst)),
        }
        if worker.is_multiple_of(4) && seen.is_quiet.load(Ordering::SeqCst) {
            let new = 1000 + nonce();
            let made = in_time(store.insert(record(new, "bob", &[]).into(), None)).await;
            if matches!(made, Ok(Inserted::Done))
                && let Ok(found) = in_time(store.load(id(new))).await
            {
                seen.unknown.fetch_add(u64::from(found.is_none()), Ordering::SeqCst);
                seen.checked.fetch_add(1, Ordering::SeqCst);
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until the replica has the session that all ask for.
async fn is_copied(primary: &Server, replica: &Server) {
    let (primary, replica) = (primary.client().await, replica.client().await);
    let at: String =
        primary.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    let has = format!("SELECT pg_last_wal_replay_lsn() >= '{at}'");
    eventually("the replica to catch up", async || {
        replica.query_one(&has, &[]).await.unwrap().get::<_, Option<bool>>(0) == Some(true)
    })
    .await;
}

async fn connections(server: &Server) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'site'";
    server.client().await.query_one(count, &[]).await.unwrap().get(0)
}

async fn cut(server: &Server, limit: &str) {
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
         WHERE application_name = 'site' {limit}) AS cut"
    );
    server.run(&cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_46_a_replica_alone_is_refused_and_so_is_a_host_of_another_system() {
    let servers = spawn_blocking(|| {
        let primary = Server::start()?;
        let replica = Server::replica_of(&primary);
        Some((primary, replica, Server::start()?))
    });
    let Some((primary, replica, stranger)) = servers.await.unwrap() else { return };
    let refused = async |ports: &[u16]| {
        let error = in_time(options(ports).connect()).await.unwrap_err();
        chain(&error)
    };
    let text = refused(&[replica.port()]).await;
    assert!(text.contains("it takes no writes: it is a replica"), "{text}");
    let text = refused(&[1, replica.port()]).await;
    assert!(text.contains("it takes no writes: it is a replica"), "{text}");
    let text = refused(&[primary.port(), stranger.port()]).await;
    assert!(text.contains("two hosts of the connection string are no copies"), "{text}");
    let text = refused(&[1]).await;
    assert!(text.contains("the server cannot be reached"), "{text}");

    // The order of the hosts does not matter, nor one that hangs.
    let store = options(&[1, replica.port(), primary.port()]).connect().await.unwrap();
    stored(&store, record(0, "ada", &[])).await;
    drop(store);
    replica.freeze();
    let store = in_time(options(&[replica.port(), primary.port()]).connect()).await.unwrap();
    assert!(store.load(id(0)).await.unwrap().is_some());
    replica.thaw();

    // Another server in its place, with tables of its own.
    let wire = Relay::to(primary.port()).await;
    let store = options(&[wire.port]).connect().await.unwrap();
    assert!(store.load(id(0)).await.unwrap().is_some());
    drop(options(&[stranger.port()]).connect().await.unwrap());
    wire.leads_to(stranger.port());
    eventually("a refusal", async || {
        let error = store.load(id(0)).await.map(|found| assert!(found.is_some()));
        error.is_err_and(|error| chain(&error).contains("it is another database system"))
    })
    .await;
    wire.leads_to(primary.port());
    eventually("the one from before", async || store.load(id(0)).await.is_ok()).await;
}

fn options(ports: &[u16]) -> PostgresOptions {
    let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!("postgres://curfew@{}/postgres", hosts.join(","));
    PostgresStore::options(url).without_clock_check()
}
