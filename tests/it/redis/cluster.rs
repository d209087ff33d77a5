//! A cluster: which addresses lead there, what is refused, and slots that move under work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::{JoinSet, spawn_blocking};
use tower_curfew::store::{Key, RedisStore, Replaced, Store as _};

use super::server::server;
use super::support::{FIRST_PAGE, active, ended, eventually, handle, member, place, raw};
use crate::processes::redis_servers::{Cluster, Watched};

#[tokio::test]
async fn addresses_of_another_kind_are_refused_with_advice() {
    let name = "addresses_of_another_kind_are_refused_with_advice";
    let Some(server) = server(name, &[]).await else { return };
    let wrong = format!("redis-cluster://127.0.0.1:{}/", server.port());
    let error = RedisStore::connect(wrong).await.unwrap_err();
    assert!(error.to_string().contains("it is no cluster"), "{error}");

    let cluster = spawn_blocking(Cluster::start).await.unwrap();
    let node = format!("redis://127.0.0.1:{}/", cluster.nodes[0].port);
    let error = RedisStore::connect(node).await.unwrap_err();
    assert!(error.to_string().contains("begins with redis-cluster://"), "{error}");
    // One node is enough to find the others, and one that is not there does no harm.
    let one = cluster.nodes[5].port;
    let store = RedisStore::connect(format!("redis-cluster://127.0.0.1:1,127.0.0.1:{one}"));
    store.await.unwrap();

    let (primary, _) = cluster.pair(0);
    cluster.nodes[primary].cli(&["config", "set", "cluster-require-full-coverage", "no"]).unwrap();
    cluster.nodes[primary].cli(&["cluster", "delslots", "0", "1", "2"]).unwrap();
    for node in &cluster.nodes {
        node.cli(&["cluster", "delslots", "0", "1", "2"]);
    }
    let error = RedisStore::connect(cluster.url()).await.unwrap_err();
    assert!(error.to_string().contains("served by no node"), "{error}");
}

#[tokio::test]
async fn sentinels_are_asked_by_an_address_of_their_own() {
    let name = "sentinels_are_asked_by_an_address_of_their_own";
    if server(name, &[]).await.is_none() {
        return;
    }
    let watched = spawn_blocking(Watched::start).await.unwrap();
    let port = watched.sentinels[0].port;
    for (address, part) in [
        (format!("redis://127.0.0.1:{port}/"), "it is a Sentinel; give an address like"),
        (format!("redis-sentinel://127.0.0.1:{port}/other"), "know no primary of that name"),
    ] {
        let error = RedisStore::connect(address).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error:?}");
    }
    // One that is not there does no harm.
    let address = format!("redis-sentinel://127.0.0.1:1,127.0.0.1:{port}/main");
    let store = RedisStore::connect(address).await.unwrap();
    let session = Arc::new(member("ada", &[]));
    let _ = store.insert(session.clone(), None).await.unwrap();
    assert!(store.load(session.id()).await.unwrap().is_some());
}

/// Each session is followed wherever it goes: half-moved slots, moved ones, and their keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_are_followed() {
    if place("slots_that_move_are_followed").await.is_none() {
        return;
    }
    let cluster = spawn_blocking(Cluster::start).await.unwrap();
    let store = RedisStore::connect(cluster.url()).await.unwrap();
    let (is_over, turns) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let mut people = JoinSet::new();
    for person in 0..16 {
        let (store, is_over, turns) = (store.clone(), is_over.clone(), turns.clone());
        people.spawn(async move {
            let curfew = handle(store.clone());
            let mut turn = 0;
            while !is_over.load(Ordering::SeqCst) {
                turn += 1;
                let user = format!("{person}-{turn}");
                let session = Arc::new(member(&user, &["acme"]));
                let _ = store.insert(session.clone(), None).await.unwrap();
                let used = Arc::new(active(&session, 1));
                assert_eq!(store.replace(used.clone()).await.unwrap(), Replaced::Done);
                let found = store.load(used.id()).await.unwrap().unwrap().record;
                assert_eq!(found.revision(), used.revision());
                let listed = store.list(&Key::user(&user), FIRST_PAGE).await.unwrap();
                assert_eq!(listed.records.len(), 1);
                assert_eq!(store.replace(Arc::new(ended(&used))).await.unwrap(), Replaced::Done);
                assert!(store.load(used.id()).await.unwrap().unwrap().record.has_ended());
                if turn % 8 == 0 {
                    curfew.operator("tests").revoke_org(&user).await.unwrap();
                }
                turns.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    eventually("work", async || 100 < turns.load(Ordering::SeqCst)).await;
    let rules = &b"curfew:{rules}:head"[..];
    let (from, to) = (cluster.pair(0).0, cluster.pair(1).0);
    let owns_rules = |at: usize| cluster.nodes[at].cli(&["get", "curfew:{rules}:head"]).is_some();
    // The slot of the rules is among those that move.
    let (from, to) = match [from, to, cluster.pair(2).0].into_iter().find(|at| owns_rules(*at)) {
        Some(owner) if owner == to => (to, from),
        Some(owner) => (owner, to),
        None => panic!("nobody has the rules"),
    };
    let slot: u16 = cluster.nodes[from]
        .cli(&["cluster", "keyslot", str::from_utf8(rules).unwrap()])
        .unwrap()
        .parse()
        .unwrap();
    let mut moved = 0;
    for slot in slot.saturating_sub(60)..slot + 60 {
        moved += u32::from(move_slot(&cluster, slot, from, to).await);
    }
    assert!(60 <= moved, "{moved} slots have moved");
    assert!(!owns_rules(from) && owns_rules(to));
    let before = turns.load(Ordering::SeqCst);
    eventually("work", async || before + 100 < turns.load(Ordering::SeqCst)).await;
    is_over.store(true, Ordering::SeqCst);
    people.join_all().await;
}

/// With its keys, one after the other; `false` if it is not the first one's.
async fn move_slot(cluster: &Cluster, slot: u16, from: usize, to: usize) -> bool {
    let node = |at: usize| &cluster.nodes[at];
    let [from_id, to_id] = [from, to].map(|at| node(at).cli(&["cluster", "myid"]).unwrap());
    let slot = slot.to_string();
    let set = |at: usize, how: &str, id: &str| {
        node(at).cli(&["cluster", "setslot", &slot, how, id]).is_some()
    };
    if !set(from, "migrating", &to_id) {
        return false;
    }
    assert!(set(to, "importing", &from_id));
    let mut raw = raw(&format!("redis://127.0.0.1:{}/", node(from).port)).await;
    loop {
        let mut get = redis::cmd("CLUSTER");
        get.arg("GETKEYSINSLOT").arg(&slot).arg(2);
        let keys: Vec<Vec<u8>> = get.query_async(&mut raw).await.unwrap();
        if keys.is_empty() {
            break;
        }
        let mut migrate = redis::cmd("MIGRATE");
        migrate.arg("127.0.0.1").arg(node(to).port).arg("").arg(0).arg(5000).arg("KEYS").arg(keys);
        let () = migrate.query_async(&mut raw).await.unwrap();
        // Others come in between: keys of one slot are on both nodes.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    set(to, "node", &to_id) && set(from, "node", &to_id)
}
