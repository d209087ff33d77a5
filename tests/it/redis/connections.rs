//! Connections that break, and calls that are made again.

use std::sync::Arc;

use tokio::task::JoinSet;
use tower_curfew::store::{Cap, Inserted, Key, Replaced, Revision, Store as _};

use super::server::{Server, info, server};
use super::support::{Place, active, assert_same, due, ended, first_rules, member, now, record};
use super::wire::Wire;

/// What was done though nobody heard of it is not done twice.
#[tokio::test]
async fn a_call_whose_answer_is_lost_is_made_again_and_answered_as_the_first_time() {
    let name = "a_call_whose_answer_is_lost_is_made_again_and_answered_as_the_first_time";
    let Some((_server, wire, place)) = wired(name).await else { return };
    let store = &place.store;
    let lose = |number| {
        assert!(wire.has_lost(), "the last one");
        wire.lose_answer(number);
    };
    let cap = Some(Cap { at_most: 1, except: None });
    let rules = first_rules().await;
    for number in 1..=3 {
        let (user, org) = (format!("user {number}"), format!("org {number}"));
        let key = Key::user(&user);
        let session = Arc::new(member(&user, &[&org]));
        lose(number);
        assert_eq!(store.insert(session.clone(), cap).await.unwrap(), Inserted::Done);
        assert_eq!(place.listed(&key).await, [session.id()]);
        let other = Arc::new(member(&user, &[&org]));
        lose(number);
        assert_eq!(store.insert(other.clone(), cap).await.unwrap(), Inserted::Full);
        assert!(place.load(other.id()).await.is_none());
        assert_eq!(place.listed(&Key::org(&org)).await, [session.id()]);

        let mut last = session;
        for number in 1..=2 {
            let next = Arc::new(active(&last, 1));
            lose(number);
            assert_eq!(store.replace(next.clone()).await.unwrap(), Replaced::Done);
            last = next;
            lose(number);
            assert_eq!(place.listed(&key).await, [last.id()]);
        }
        lose(1);
        assert_same(&place.load(last.id()).await.unwrap(), &last);
        lose(1);
        assert!(store.replace_rules(&org, rules.clone(), now()).await.unwrap());
        lose(1);
        let changed = store.rules_since(Revision::NONE, 9).await.unwrap().changes;
        assert_eq!(changed.len(), number as usize);
        lose(1 + number % 2);
        assert_eq!(store.replace(Arc::new(ended(&last))).await.unwrap(), Replaced::Done);
        assert!(place.load(last.id()).await.unwrap().has_ended());
    }
    for number in 1..=5 {
        let due = place.insert(due("bob")).await;
        lose(number);
        assert!(store.purge(now(), 9).await.unwrap() <= 1);
        assert!(place.load(due.id()).await.is_none());
        assert_eq!(place.listed(&Key::user("bob")).await, []);
    }
    assert!(wire.has_lost());
}

#[tokio::test]
async fn a_connection_that_was_cut_is_made_up_for_by_the_same_call() {
    let name = "a_connection_that_was_cut_is_made_up_for_by_the_same_call";
    let Some((_server, wire, place)) = wired(name).await else { return };
    let mut last = place.insert(member("ada", &["acme"])).await;
    for _ in 0..10 {
        wire.cut();
        assert_same(&place.load(last.id()).await.unwrap(), &last);
        wire.cut();
        last = place.replace(active(&last, 1)).await;
        wire.cut();
        assert_eq!(place.listed(&Key::user("ada")).await, [last.id()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_calls_there_are_they_share_two_connections() {
    let name = "however_many_calls_there_are_they_share_two_connections";
    let Some(server) = server(name, &[]).await else { return };
    let mut raw = server.raw().await;
    // Whoever comes while they are being opened is who might open another one.
    for _ in 0..20 {
        let place = server.place().await;
        let before = info(&mut raw, "total_connections_received").await;
        let mut people = JoinSet::new();
        for number in 0..50 {
            let (store, session) =
                (place.store.clone(), Arc::new(record(&format!("user {number}"))));
            people.spawn(async move {
                assert_eq!(store.insert(session.clone(), None).await.unwrap(), Inserted::Done);
                assert_same(&store.load(session.id()).await.unwrap().unwrap().record, &session);
            });
        }
        people.join_all().await;
        assert_eq!(info(&mut raw, "total_connections_received").await - before, 2);
    }
}

/// A place whose store has both of its connections over a wire.
async fn wired(test: &str) -> Option<(Server, Wire, Place)> {
    let server = server(test, &[]).await?;
    let wire = Wire::to(server.port()).await;
    let place = Place::behind(&wire.url(), &server.url()).await;
    for _ in 0..2 {
        // It brings along the scripts, which is a round trip that does not count.
        place.insert(record("anybody")).await;
        place.load(record("nobody").id()).await;
    }
    Some((server, wire, place))
}
