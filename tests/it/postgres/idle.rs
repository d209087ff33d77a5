//! Idle connections that the server has closed.

use tokio::task::{JoinSet, spawn_blocking};
use tower_curfew::store::{Inserted, Key, PostgresStore, Replaced, Revision, Store};

use super::servers::Server;
use super::support::{
    Schema, active, at, chain, eventually, first_rules, id, in_time, listed, record, stored,
};

const ROUNDS: u32 = 100;

/// One of the calls of the store, in turn.
async fn first_call(store: &PostgresStore, round: u32) {
    let there = id(0);
    match round % 6 {
        0 => drop(store.load(there).await.unwrap().expect("it is there")),
        1 => {
            let new = record(1000 + round, "bob", &[]);
            assert_eq!(store.insert(new.into(), None).await.unwrap(), Inserted::Done);
        }
        2 => assert_eq!(listed(store, &Key::user("ada")).await.records.len(), 1),
        3 => drop(store.rules_since(Revision::NONE, 9).await.unwrap()),
        4 => {
            let org = format!("org {round}");
            assert!(store.replace_rules(&org, first_rules(), at(1)).await.unwrap());
        }
        _ => {
            let nobody = active(&record(9999, "nobody", &[]), 2000);
            assert_eq!(store.replace(nobody).await.unwrap(), Replaced::Gone);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_47_the_first_call_after_the_server_closed_all_connections_is_answered() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    stored(&store, record(0, "ada", &[])).await;
    for round in 0..ROUNDS {
        eventually("all connections", async || schema.connections().await == 4).await;
        assert_eq!(schema.cut("true").await, 4);
        in_time(first_call(&store, round)).await;
    }
    // Many at once, each of which meets any of those that were closed.
    for round in 0..10 {
        eventually("all connections", async || schema.connections().await == 4).await;
        assert_eq!(schema.cut("true").await, 4);
        let mut calls = JoinSet::new();
        for call in 0..32 {
            let store = store.clone();
            calls.spawn(async move { first_call(&store, 1000 * (round + 1) + call).await });
        }
        in_time(calls.join_all()).await;
    }
    drop(store);
    schema.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_47_the_first_call_after_the_server_was_started_again_is_answered() {
    let Some(mut server) = spawn_blocking(Server::start).await.unwrap() else { return };
    let options = PostgresStore::options(server.url()).without_clock_check();
    let store = options.connect().await.unwrap();
    stored(&store, record(0, "ada", &[])).await;
    for round in 0..6 {
        server = spawn_blocking(move || {
            server.kill();
            server
        })
        .await
        .unwrap();
        // What it has begun to answer, it may answer still.
        eventually("errors", async || {
            let answer = store.load(id(0)).await;
            answer.is_err_and(|error| chain(&error).contains("cannot be reached"))
        })
        .await;
        server = spawn_blocking(move || {
            server.start_again();
            server
        })
        .await
        .unwrap();
        in_time(first_call(&store, round)).await;
    }
}
