//! A server that takes connections and never answers; and callers who do not wait.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_curfew::ErrorKind;
use tower_curfew::store::{Record, Store as _};

use super::server::{Server, info, server};
use super::support::{Place, active, assert_same, eventually, handle_with, in_time, record};

/// However many they are, no queue is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_nobody_waits_for_any_more_leave_nothing_behind() {
    let name = "calls_that_nobody_waits_for_any_more_leave_nothing_behind";
    let Some((server, place, mut raw, session)) = at_work(name).await else { return };
    server.freeze();
    let mut crowded = 0;
    for _ in 0..3 {
        let mut calls = JoinSet::new();
        for _ in 0..6000 {
            let (store, id) = (place.store.clone(), session.id());
            calls.spawn(async move { timeout(SECOND, store.load(id)).await });
        }
        for answer in calls.join_all().await {
            let error = answer.map(|answer| answer.unwrap_err().to_string());
            crowded += usize::from(error.is_ok_and(|error| error.contains("too many calls")));
        }
    }
    assert!(crowded > 0, "so many calls are not made at all");
    server.thaw();
    recovered(&place, &session).await;
    eventually("connections of the past to be closed", async || {
        info(&mut raw, "connected_clients").await <= 4
    })
    .await;
}

/// The next call connects anew: nobody else tells it that a silent connection is dead.
#[tokio::test]
async fn a_connection_on_which_four_calls_in_a_row_were_given_up_is_left() {
    let name = "a_connection_on_which_four_calls_in_a_row_were_given_up_is_left";
    let Some((server, place, mut raw, session)) = at_work(name).await else { return };
    let before = connections(&mut raw).await;
    server.freeze();
    // The last two while they connect.
    for _ in 0..10 {
        given_up(&place, &session).await;
    }
    for _ in 0..2 {
        in_time(place.store.load(session.id())).await.unwrap_err();
    }
    server.thaw();
    recovered(&place, &session).await;
    assert!(before + 2 <= connections(&mut raw).await);
}

/// Somebody who is impatient harms nobody else.
#[tokio::test]
async fn a_connection_on_which_fewer_calls_were_given_up_stays_in_use() {
    let name = "a_connection_on_which_fewer_calls_were_given_up_stays_in_use";
    let Some((server, place, mut raw, session)) = at_work(name).await else { return };
    let before = connections(&mut raw).await;
    for _ in 0..3 {
        server.freeze();
        for _ in 0..6 {
            given_up(&place, &session).await;
        }
        let (store, id) = (place.store.clone(), session.id());
        let patient = tokio::spawn(async move { store.load(id).await });
        server.thaw();
        assert_same(&patient.await.unwrap().unwrap().unwrap().record, &session);
        for _ in 0..2 {
            assert_same(&place.load(session.id()).await.unwrap(), &session);
        }
    }
    assert_eq!(connections(&mut raw).await, before);
}

/// A change that nobody heard of is there, or can be made again.
#[tokio::test]
async fn a_change_that_was_given_up_can_be_made_again() {
    let name = "a_change_that_was_given_up_can_be_made_again";
    let Some((server, place, _, session)) = at_work(name).await else { return };
    server.freeze();
    let next = Arc::new(active(&session, 1));
    timeout(SECOND / 50, place.store.replace(next.clone())).await.unwrap_err();
    server.thaw();
    place.replace((*next).clone()).await;
    assert_same(&place.load(session.id()).await.unwrap(), &next);
}

#[tokio::test]
async fn a_handle_answers_in_time_and_goes_on_afterwards() {
    let name = "a_handle_answers_in_time_and_goes_on_afterwards";
    let Some((server, place, _, session)) = at_work(name).await else { return };
    let curfew = handle_with(place.store.clone(), time::Duration::milliseconds(500));
    server.freeze();
    for _ in 0..5 {
        // The server says nothing, so it is the handle's timeout that answers.
        let error = in_time(curfew.list("ada")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    server.thaw();
    recovered(&place, &session).await;
    eventually("a list", async || curfew.list("ada").await.is_ok_and(|list| list.len() == 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_used_again() {
    let name = "a_server_that_was_killed_is_used_again";
    let options = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(mut server) = server(name, &options).await else { return };
    let place = server.place().await;
    let session = place.insert(record("ada")).await;
    for _ in 0..2 {
        server.kill();
        for _ in 0..3 {
            in_time(place.store.load(session.id())).await.unwrap_err();
        }
        server.start_again().await;
        recovered(&place, &session).await;
    }
}

/// A session on a server of the test's own, over two connections.
async fn at_work(test: &str) -> Option<(Server, Place, MultiplexedConnection, Arc<Record>)> {
    let server = server(test, &[]).await?;
    let (place, raw) = (server.place().await, server.raw().await);
    let session = place.insert(record("ada")).await;
    Some((server, place, raw, session))
}

async fn connections(raw: &mut MultiplexedConnection) -> u64 {
    info(raw, "total_connections_received").await
}

async fn given_up(place: &Place, session: &Record) {
    timeout(SECOND / 50, place.store.load(session.id())).await.unwrap_err();
}

/// Without a new store.
async fn recovered(place: &Place, session: &Record) {
    eventually("an answer", async || place.store.load(session.id()).await.is_ok()).await;
    assert_same(&place.load(session.id()).await.unwrap(), session);
    place.insert(record("bob")).await;
}

const SECOND: Duration = Duration::from_secs(1);
