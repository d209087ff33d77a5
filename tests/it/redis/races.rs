//! Races between machines, each with connections of its own.

use std::sync::Arc;

use tokio::task::JoinSet;
use tower_curfew::SessionId;
use tower_curfew::store::{
    Cap, Inserted, Key, Loaded, RedisStore, Replaced, SecretHash, Store as _,
};

use super::support::{Place, active, assert_same, ended, join, member, next, place, record};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_changes_on_several_machines_one_is_made() {
    let Some(place) = place("of_64_changes_on_several_machines_one_is_made").await else { return };
    let nodes = nodes(&place).await;
    let session = place.insert(record("ada")).await;
    let mut changes = JoinSet::new();
    for late in 1..=64 {
        let (node, change) = (nodes[late % 4].clone(), Arc::new(active(&session, late as i64)));
        changes.spawn(async move {
            let replaced = node.replace(change.clone()).await.unwrap();
            (replaced == Replaced::Done).then_some(change)
        });
    }
    let made: Vec<_> = changes.join_all().await.into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    assert_same(&place.load(session.id()).await.unwrap(), &made[0]);
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cap_holds_among_machines() {
    let Some(place) = place("the_cap_holds_among_machines").await else { return };
    let nodes = nodes(&place).await;
    let mut inserts = JoinSet::new();
    for number in 0..64 {
        let (node, session) = (nodes[number % 4].clone(), Arc::new(member("ada", &["acme"])));
        let cap = Some(Cap { at_most: 5, except: None });
        inserts.spawn(async move { node.insert(session, cap).await.unwrap() });
    }
    let inserted = inserts.join_all().await;
    assert_eq!(inserted.iter().filter(|inserted| **inserted == Inserted::Done).count(), 5);
    for key in [Key::user("ada"), Key::org("acme")] {
        assert_eq!(place.listed(&key).await.len(), 5, "{key:?}");
    }
    place.clear().await;
}

/// Whatever is written at the same time, and however often it is tried again, what has ended stays
/// ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_machine_brings_back_what_another_ended() {
    let Some(place) = place("no_machine_brings_back_what_another_ended").await else { return };
    let nodes = nodes(&place).await;
    for _ in 0..10 {
        let session = place.insert(record("ada")).await;
        let mut writers = JoinSet::new();
        for number in 0..16 {
            writers.spawn(writes_until_it_ends(nodes[number / 4].clone(), session.id(), number));
        }
        let ends = writers.join_all().await.into_iter().filter(|ended| *ended);
        assert_eq!(ends.count(), 1, "it ended once");
        assert!(place.load(session.id()).await.unwrap().has_ended());
        for key in [Key::user("ada"), Key::org("acme"), Key::org("globex")] {
            assert_eq!(place.listed(&key).await, [], "{key:?}");
        }
    }
    place.clear().await;
}

/// Says whether it was this one who ended it.
async fn writes_until_it_ends(node: RedisStore, id: SessionId, number: usize) -> bool {
    loop {
        let Loaded { record, .. } = node.load(id).await.unwrap().unwrap();
        if record.has_ended() {
            // One more, of whoever has not noticed.
            let late = node.replace(Arc::new(active(&record, 1))).await.unwrap();
            assert_eq!(late, Replaced::Gone);
            return false;
        }
        let change = match number % 4 {
            0 => active(&record, 1),
            1 => next(&record).with_secret(SecretHash::from_bytes([9; 32])),
            2 => join(next(&record), if number < 8 { &["acme"] } else { &["globex"] }),
            _ => ended(&record),
        };
        let ends = change.has_ended();
        match node.replace(Arc::new(change)).await.unwrap() {
            Replaced::Done if ends => return true,
            Replaced::Done | Replaced::Stale => {}
            Replaced::Gone => return false,
        }
    }
}

async fn nodes(place: &Place) -> [RedisStore; 4] {
    let mut nodes = [(); 4].map(|()| place.store.clone());
    for node in &mut nodes[1..] {
        *node = place.another_node().await;
    }
    nodes
}
