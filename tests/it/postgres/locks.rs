//! Locks that somebody else keeps: how long a call waits for one, and who waits meanwhile.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tower_curfew::store::{Cap, Inserted, PostgresStore, Replaced, Store, StoreError};

use super::support::{
    Schema, active, at, chain, eventually, first_rules, id, in_time, lock_all, patiently, record,
    stored,
};

const HELD_UP: &str = "the session store is held up by other changes: ";

async fn signs_in(store: &PostgresStore, number: u32) -> Result<Inserted, StoreError> {
    store.insert(record(number, "ada", &[]).into(), Some(Cap { at_most: 99, except: None })).await
}

/// Somebody signs in, and waits for a table. The same person at another store does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_of_one_database_do_not_wait_for_each_other() {
    let Some(schema) = Schema::new().await else { return };
    let Some(other) = Schema::new().await else { return };
    let (store, other_store) = (schema.store().await, other.store().await);
    let somebody = lock_all(&schema).await;
    let waits = {
        let store = store.clone();
        tokio::spawn(async move { signs_in(&store, 1).await })
    };
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    eventually("somebody who has the lock", async || {
        schema.client.query_one(locks, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
    assert_eq!(in_time(signs_in(&other_store, 2)).await.unwrap(), Inserted::Done);
    assert!(!waits.is_finished(), "and the first one waits still");
    somebody.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap(), Inserted::Done);
    drop((store, other_store));
    schema.drop().await;
    other.drop().await;
}

/// As `PostgresStore` says: after a second, or after ten in the middle of a sign-in or a change of rules.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_waited_for_as_long_as_documented() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let bob = stored(&store, record(1, "bob", &[])).await;
    let somebody = lock_all(&schema).await;
    let sessions = schema.table("sessions");
    let lock = format!("SELECT FROM {sessions} WHERE user_name = 'bob' FOR UPDATE");
    somebody.batch_execute(&lock).await.unwrap();

    let began = Instant::now();
    let error = in_time(store.replace(active(&bob, 2000))).await.unwrap_err();
    let one = began.elapsed();
    assert!(chain(&error).starts_with(HELD_UP), "{}", chain(&error));
    assert!(Duration::from_millis(900) < one, "{one:?}");

    let began = Instant::now();
    let (sign_in, change) = {
        let (one, other) = (store.clone(), store.clone());
        (
            tokio::spawn(async move { signs_in(&one, 2).await.map(drop) }),
            tokio::spawn(async move {
                other.replace_rules("acme", first_rules(), at(1)).await.map(drop)
            }),
        )
    };
    for call in [sign_in, change] {
        let error = in_time(call).await.unwrap().unwrap_err();
        let ten = began.elapsed();
        assert!(chain(&error).starts_with(HELD_UP), "{}", chain(&error));
        assert!(one + Duration::from_secs(5) < ten, "{ten:?}");
    }
    somebody.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(signs_in(&store, 3).await.unwrap(), Inserted::Done);
    drop(store);
    schema.drop().await;
}

/// Whoever gives up waits no more, and the connections come back though the lock stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_were_given_up_do_not_pile_up_at_a_lock() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let bob = stored(&store, record(1, "bob", &[])).await;
    let somebody = lock_all(&schema).await;
    let mut calls = JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        calls.spawn(async move {
            let call = signs_in(&store, 100 + number);
            drop(tokio::time::timeout(Duration::from_millis(300), call).await);
        });
    }
    let mut most = 0;
    while !calls.is_empty() {
        most = most.max(schema.waits().await.len());
        let _ = tokio::time::timeout(Duration::from_millis(20), calls.join_next()).await;
    }
    assert!((1..=2).contains(&most), "{most} wait, and two connections write");
    // Others are read meanwhile, and written as soon as a connection is given back.
    assert!(in_time(store.load(id(1))).await.unwrap().is_some());
    let next = active(&bob, 2000);
    let replaced = in_time(patiently(|| store.replace(next.clone()))).await;
    assert_eq!(replaced.unwrap(), Replaced::Done);
    eventually("nobody waits", async || schema.waits().await.is_empty()).await;
    assert_eq!(schema.connections().await, 4);
    assert_eq!(schema.rows("sessions").await, 1, "nothing of what was given up is done");
    somebody.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(signs_in(&store, 3).await.unwrap(), Inserted::Done);
    drop(store);
    schema.drop().await;
}
