//! Connections: how many there are, what happens when they break, and who waits for whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;
use tokio_postgres::Client;
use tower_curfew::store::{Cap, Inserted, PostgresStore, Replaced, Store, StoreError};

use super::support::{
    Schema, active, at, chain, connect, eventually, first_rules, id, in_time, lock_all, record,
    replaced, stored,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn there_are_as_many_connections_as_configured() {
    let Some(schema) = Schema::new().await else { return };
    for connections in [2, 4, 5] {
        let store = schema.options().connections(connections).connect().await.unwrap();
        // The server may not have noticed yet that the one over which the tables were created is closed.
        eventually("as many as configured", async || {
            schema.connections().await == connections as i64
        })
        .await;
        let processes = schema.processes().await;
        let session = stored(&store, record(connections as u32, "ada", &["acme"])).await;
        let calls = (0..200).map(|_| {
            let (store, id) = (store.clone(), session.id());
            tokio::spawn(async move { store.load(id).await.unwrap() })
        });
        for call in calls.collect::<Vec<_>>() {
            assert!(call.await.unwrap().is_some());
        }
        assert_eq!(schema.processes().await, processes, "the same ones all the time");
        drop(store);
        schema.is_left().await;
    }
    schema.drop().await;
}

/// All connections are cut again and again while many calls are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_break_are_replaced() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    stored(&store, record(0, "ada", &["acme"])).await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for number in 0..32 {
        let (store, stop, answered) = (store.clone(), stop.clone(), answered.clone());
        clients.spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                match in_time(does_something(&store, number)).await {
                    Ok(()) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
    }
    for _ in 0..5 {
        let cut = schema.client.query_one("SELECT clock_timestamp()::text", &[]).await.unwrap();
        let new = format!("backend_start > '{}'", cut.get::<_, String>(0));
        schema.cut("true").await;
        let before = answered.load(Ordering::SeqCst);
        eventually("calls that are answered again, over new connections", async || {
            before + 200 < answered.load(Ordering::SeqCst)
                && schema.connections_where(&new).await == 4
                && schema.connections().await == 4
        })
        .await;
    }
    stop.store(true, Ordering::SeqCst);
    clients.join_all().await;

    let mut clients = JoinSet::new();
    for number in 0..32 {
        let store = store.clone();
        clients.spawn(async move {
            for _ in 0..20 {
                does_something(&store, number).await.expect("all is well again");
            }
        });
    }
    clients.join_all().await;
    assert_eq!(schema.connections().await, 4);
    drop(store);
    schema.drop().await;
}

/// An administrator ends one of them, say, in the middle of a transaction.
#[tokio::test]
async fn a_call_whose_connection_the_server_ends_is_made_again() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let somebody = lock_all(&schema).await;
    let inserts = {
        let (store, cap) = (store.clone(), Cap { at_most: 1, except: None });
        tokio::spawn(async move { store.insert(record(1, "ada", &[]).into(), Some(cap)).await })
    };
    schema.are_held_up(1).await;
    assert_eq!(schema.cut("wait_event_type = 'Lock'").await, 1);
    let changes = {
        let store = store.clone();
        tokio::spawn(async move { store.replace_rules("acme", first_rules(), at(1)).await })
    };
    let waits = |what| format!("wait_event_type = 'Lock' AND query LIKE '{what}%'");
    eventually("both", async || schema.connections_where(&waits("SELECT")).await == 2).await;
    assert_eq!(schema.cut(&waits("SELECT rules")).await, 1);
    somebody.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(in_time(inserts).await.unwrap().unwrap(), Inserted::Done);
    assert!(in_time(changes).await.unwrap().unwrap());
    drop(store);
    schema.drop().await;
}

/// One of four writes to a session of its own; the others read.
async fn does_something(store: &PostgresStore, number: u32) -> Result<(), StoreError> {
    if !number.is_multiple_of(4) {
        return store.load(id(0)).await.map(|found| assert!(found.is_some()));
    }
    let own = number + 1000;
    let Some(found) = store.load(id(own)).await? else {
        let _there = store.insert(record(own, "bob", &["acme"]).into(), None).await?;
        return Ok(());
    };
    let answer = store.replace(active(&found.record, 2000)).await?;
    assert_ne!(answer, Replaced::Gone);
    Ok(())
}

/// Writes that wait for a lock hold up no read, and their connections come back when they are given
/// up.
#[tokio::test]
async fn a_locked_row_holds_up_nobody_else() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let ada = stored(&store, record(1, "ada", &[])).await;
    let bob = stored(&store, record(2, "bob", &[])).await;
    let somebody = lock_ada(&schema).await;
    // As many as there are connections that write.
    let calls = [2000, 3000].map(|seen| {
        let (store, next) = (store.clone(), active(&ada, seen));
        tokio::spawn(async move { while store.replace(next.clone()).await.is_err() {} })
    });
    eventually("a read while both go on waiting", async || {
        let waits = schema.waits().await;
        assert!(store.load(id(1)).await.unwrap().is_some());
        waits.len() == 2 && schema.waits().await == waits
    })
    .await;
    calls.iter().for_each(|call| call.abort());
    in_time(replaced(&store, active(&bob, 2000))).await;
    somebody.batch_execute("ROLLBACK").await.unwrap();
    // One of those whose callers have gone may have come through.
    let found = store.load(id(1)).await.unwrap().unwrap().record;
    assert_ne!(in_time(store.replace(active(&found, 4000))).await.unwrap(), Replaced::Gone);
    drop(store);
    schema.drop().await;
}

#[tokio::test]
async fn a_lock_that_somebody_keeps_is_an_error_soon() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let ada = stored(&store, record(1, "ada", &[])).await;
    let somebody = lock_ada(&schema).await;
    let next = active(&ada, 2000);
    let error = in_time(store.replace(next.clone())).await.unwrap_err();
    let text = chain(&error);
    assert!(text.starts_with("the session store is held up by other changes: "), "{text}");
    somebody.batch_execute("ROLLBACK").await.unwrap();
    replaced(&store, next).await;

    let lock = format!("BEGIN; LOCK TABLE {}", schema.table("sessions"));
    somebody.batch_execute(&lock).await.unwrap();
    let text = chain(&in_time(store.load(id(1))).await.unwrap_err());
    assert!(text.starts_with("the session store is held up by other changes: "), "{text}");
    somebody.batch_execute("ROLLBACK").await.unwrap();
    assert!(store.load(id(1)).await.unwrap().is_some());
    drop(store);
    schema.drop().await;
}

/// Many who write all the time take turns, and nobody is passed over until it gives up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_take_turns() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.options().connections(2).connect().await.unwrap();
    let mut writers = JoinSet::new();
    for number in 0..32 {
        let store = store.clone();
        writers.spawn(async move {
            let mut last = stored(&store, record(number, "ada", &["acme"])).await;
            for seen in 2..60 {
                last = replaced(&store, active(&last, 1000 * seen)).await;
            }
        });
    }
    in_time(writers.join_all()).await;
    drop(store);
    schema.drop().await;
}

/// Keeps the row of a session locked until `ROLLBACK`.
async fn lock_ada(schema: &Schema) -> Client {
    let somebody = connect(&schema.url).await;
    let sessions = schema.table("sessions");
    let lock = format!("BEGIN; SELECT 1 FROM {sessions} WHERE user_name = 'ada' FOR UPDATE");
    somebody.batch_execute(&lock).await.unwrap();
    somebody
}
