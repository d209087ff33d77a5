//! Calls that get stuck on their way, are given up, or lose their answer.

use std::sync::Arc;

use tokio::task::JoinSet;
use tower_curfew::SessionId;
use tower_curfew::store::{Cap, Inserted, Key, PostgresStore, Record, Replaced, Revision, Store};

use super::road::Road;
use super::support::{
    Schema, active, at, chain, ended, eventually, first_rules, id, in_time, listed, memberships,
    nonce, record, replaced, stored,
};

/// A caller that stops waiting leaves neither a transaction nor a lock behind, however far its call
/// has come, and its connection is used again.
#[tokio::test]
async fn a_call_that_is_dropped_leaves_nothing_behind() {
    let Some(schema) = Schema::new().await else { return };
    let road = Road::to(&schema).await;
    // One that writes.
    let store = road.options(&schema).connections(2).connect().await.unwrap();
    let mut questions = 1;
    loop {
        let user = format!("user {questions}");
        let new = Arc::new(record(questions, &user, &["acme"]));
        road.hold(questions.into());
        let mut insert = {
            let (store, new, cap) = (store.clone(), new.clone(), Cap { at_most: 1, except: None });
            tokio::spawn(async move { store.insert(new, Some(cap)).await })
        };
        tokio::select! {
            () = road.holds() => insert.abort(),
            answer = &mut insert => {
                assert_eq!(answer.unwrap().unwrap(), Inserted::Done);
                break;
            }
        }
        let _ = insert.await;
        road.open();
        let nobody = active(&record(9999, "nobody", &[]), 2000);
        assert_eq!(in_time(store.replace(nobody)).await.unwrap(), Replaced::Gone);
        assert_eq!(schema.connections_where("state LIKE 'idle in transaction%'").await, 0);
        let locks = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')";
        assert_eq!(schema.connections_where(locks).await, 0);
        let is_filed = store.load(new.id()).await.unwrap().is_some();
        for key in new.keys() {
            let is_listed = ids(&store, &key).await.contains(&new.id());
            assert_eq!(is_listed, is_filed, "all of it or nothing: {key:?}");
        }
        questions += 1;
    }
    assert!(4 < questions, "a transaction is more than {questions} questions");
    drop(store);
    schema.drop().await;
}

/// Whether it had been done by then or not, the answer is that of the first time.
#[tokio::test]
async fn a_call_that_loses_its_answer_is_made_again() {
    let Some(schema) = Schema::new().await else { return };
    let road = Road::to(&schema).await;
    let store = road.options(&schema).connections(2).connect().await.unwrap();
    for questions in 1..20 {
        let number = 10 * questions as u32;
        let (user, org) = (format!("user {questions}"), format!("org {questions}"));
        let new = |place| Arc::new(record(number + place, &user, &[]));
        let mut lost = 0;
        let loses = async || {
            // Once both connections are there and nobody else asks anything.
            assert!(store.load(id(0)).await.unwrap().is_none());
            let nobody = active(&record(0, "nobody", &[]), 2000);
            assert_eq!(store.replace(nobody).await.unwrap(), Replaced::Gone);
            road.lose_answer(questions);
        };
        let mut is_made_again = || {
            lost += u32::from(!road.waits());
            road.open();
        };

        loses().await;
        let first = new(1);
        let cap = Cap { at_most: 1, except: None };
        assert_eq!(store.insert(first.clone(), Some(cap)).await.unwrap(), Inserted::Done);
        is_made_again();

        loses().await;
        assert_eq!(store.insert(new(2), Some(cap)).await.unwrap(), Inserted::Full);
        is_made_again();

        loses().await;
        let second = replaced(&store, active(&first, 2000)).await;
        is_made_again();

        loses().await;
        let moved = second.next(nonce()).with_memberships(memberships(&[&org]));
        let third = replaced(&store, Arc::new(moved)).await;
        is_made_again();

        loses().await;
        let found = store.load(id(number + 1)).await.unwrap().unwrap().record;
        assert_eq!((found.revision(), found.encode()), (third.revision(), third.encode()));
        is_made_again();

        loses().await;
        assert_eq!(ids(&store, &Key::org(&org)).await, [third.id()]);
        is_made_again();

        loses().await;
        assert!(store.replace_rules(&org, first_rules(), at(1)).await.unwrap());
        is_made_again();

        loses().await;
        let changed = store.rules_since(Revision::NONE, 1000).await.unwrap().changes;
        assert_eq!(changed.len() as u64, questions, "each was changed once");
        is_made_again();

        replaced(&store, ended(&third)).await;
        if lost == 0 {
            drop(store);
            schema.drop().await;
            return;
        }
    }
    panic!("no call asks so much");
}

/// A server that is there but says nothing: neither does it take more and more, nor does it stay
/// forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_hangs_is_left_and_found_again() {
    let Some(schema) = Schema::new().await else { return };
    let road = Road::to(&schema).await;
    let store = road.options(&schema).connections(2).connect().await.unwrap();
    let ada = stored(&store, record(1, "ada", &[])).await;
    road.block();
    let writes = {
        let (store, next) = (store.clone(), active(&ada, 2000));
        tokio::spawn(async move { store.replace(next).await })
    };
    let mut reads = JoinSet::new();
    for _ in 0..3000 {
        let store = store.clone();
        reads.spawn(async move { chain(&store.load(id(1)).await.unwrap_err()) });
    }
    // Those that find no room hear of it first, and then the server is given up for lost.
    let answers = in_time(reads.join_all()).await;
    let busy = answers.iter().filter(|answer| answer.contains("busy")).count();
    let lost = answers.iter().filter(|answer| answer.contains("cannot be reached")).count();
    assert_eq!(busy + lost, 3000, "{:?}", answers[2999]);
    assert!(128 <= lost && 1000 <= busy, "so many are under way, and no more: {lost}");
    eventually("an answer at once", async || {
        let at_once = std::time::Duration::from_secs(1);
        tokio::time::timeout(at_once, store.load(id(1))).await.is_ok_and(|found| found.is_err())
    })
    .await;
    assert!(in_time(writes).await.unwrap().is_err());
    road.open();
    eventually("the server to be found again", async || store.load(id(1)).await.is_ok()).await;
    eventually("a write", async || {
        let found = store.load(id(1)).await.unwrap().unwrap().record;
        store.replace(ended(&found)).await.is_ok()
    })
    .await;
    assert!(listed(&store, &Key::user("ada")).await.records.is_empty());
    drop(store);
    schema.drop().await;
}

async fn ids(store: &PostgresStore, key: &Key) -> Vec<SessionId> {
    listed(store, key).await.records.iter().map(|record: &Arc<Record>| record.id()).collect()
}
