//! How many round trips calls take, and that none needs the server to remember scripts.

use std::sync::Arc;

use redis::AsyncCommands as _;
use tokio::task::JoinSet;
use tower_curfew::store::{Cap, Inserted, Key, Replaced, Revision, Store as _};

use super::server::server;
use super::support::{
    FIRST_PAGE, Place, active, assert_same, due, ended, first_rules, member, now, record, unique,
};
use super::wire::Wire;

#[tokio::test]
async fn a_request_takes_one_round_trip_and_a_sign_in_three() {
    let name = "a_request_takes_one_round_trip_and_a_sign_in_three";
    let Some(server) = server(name, &[]).await else { return };
    let wire = Wire::to(server.port()).await;
    let mut place = Place::behind(&wire.url(), &server.url()).await;
    // What connects, and brings along the scripts.
    for _ in 0..2 {
        every_call(&mut place, &wire).await;
    }
    let trips = every_call(&mut place, &wire).await;
    assert_eq!(
        trips,
        [
            ("a sign-in", 3),
            ("a request", 1),
            ("a request of nobody", 1),
            ("activity", 2),
            ("activity that comes too late", 1),
            ("a list", 2),
            ("a list of nobody", 2),
            ("a sign-in where there is no room", 3),
            ("a change of rules", 1),
            ("whether rules have changed", 1),
            ("a sign-out", 2),
            ("a list that forgets somebody", 3),
            ("a purge of nobody", 1),
            ("a purge of somebody", 5),
        ]
    );
}

async fn every_call(place: &mut Place, wire: &Wire) -> Vec<(&'static str, u32)> {
    let user = format!("user {}", unique());
    let (key, org) = (Key::user(&user), format!("org {}", unique()));
    let nobody = member(&user, &[&org, "globex"]);
    let session = Arc::new(member(&user, &[&org, "globex"]));
    let store = place.store.clone();
    let mut counts = Vec::new();
    macro_rules! count {
        ($label:literal, $call:expr) => {{
            let (answer, trips) = wire.counted($call).await;
            counts.push(($label, trips));
            answer.unwrap()
        }};
    }
    assert_eq!(count!("a sign-in", store.insert(session.clone(), None)), Inserted::Done);
    assert!(count!("a request", store.load(session.id())).is_some());
    assert!(count!("a request of nobody", store.load(nobody.id())).is_none());
    let next = Arc::new(active(&session, 1));
    assert_eq!(count!("activity", store.replace(next.clone())), Replaced::Done);
    let late = Arc::new(active(&session, 1));
    assert_eq!(count!("activity that comes too late", store.replace(late)), Replaced::Stale);
    assert_eq!(count!("a list", store.list(&key, FIRST_PAGE)).records.len(), 1);
    let of_nobody = count!("a list of nobody", store.list(&Key::user("nobody"), FIRST_PAGE));
    assert_eq!(of_nobody.records.len(), 0);
    let cap = Some(Cap { at_most: 1, except: None });
    let full = store.insert(Arc::new(record(&user)), cap);
    assert_eq!(count!("a sign-in where there is no room", full), Inserted::Full);
    let rules = first_rules().await;
    assert!(count!("a change of rules", store.replace_rules(&org, rules, now())));
    let changed = count!("whether rules have changed", store.rules_since(Revision::NONE, 9));
    assert!(!changed.changes.is_empty());
    assert_eq!(count!("a sign-out", store.replace(Arc::new(ended(&next)))), Replaced::Done);
    let lost = place.insert(record(&user)).await;
    place.expire(&lost).await;
    let forgotten = count!("a list that forgets somebody", store.list(&key, FIRST_PAGE));
    assert_eq!(forgotten.records.len(), 0);
    assert_eq!(count!("a purge of nobody", store.purge(now(), 9)), 0);
    place.insert(due(&user)).await;
    assert_eq!(count!("a purge of somebody", store.purge(now(), 9)), 1);
    counts
}

/// The server tells it along with the record.
#[tokio::test]
async fn a_request_that_asks_for_the_time_takes_no_more() {
    let Some(server) = server("a_request_that_asks_for_the_time_takes_no_more", &[]).await else {
        return;
    };
    let wire = Wire::to(server.port()).await;
    let place = Place::behind(&wire.url(), &server.url()).await;
    let id = place.insert(record("ada")).await.id();
    let (asks, asks_not) = (place.options(), place.options().without_clock_check());
    let mut counts = Vec::new();
    for (options, tells) in [(asks, true), (asks_not, false)] {
        let store = options.connect().await.unwrap();
        // It connects, too.
        let (loaded, trips) = wire.counted(store.load(id)).await;
        assert_eq!(loaded.unwrap().unwrap().clock.is_some(), tells);
        counts.push(trips);
    }
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again_by_whatever_call_misses_them() {
    let name = "forgotten_scripts_are_loaded_again_by_whatever_call_misses_them";
    let Some(server) = server(name, &[]).await else { return };
    let (mut place, key) = (server.place().await, Key::user("ada"));
    let mut last = Arc::new(member("ada", &["acme"]));
    for round in 0..3 {
        forget_scripts(&mut place).await;
        let first = Arc::new(member("ada", &["acme"]));
        let cap = Some(Cap { at_most: 9, except: None });
        assert_eq!(place.store.insert(first.clone(), cap).await.unwrap(), Inserted::Done);
        forget_scripts(&mut place).await;
        last = place.replace(active(&first, 1)).await;
        forget_scripts(&mut place).await;
        assert_eq!(place.listed(&key).await, [last.id()]);
        forget_scripts(&mut place).await;
        let org = format!("org {round}");
        assert!(place.store.replace_rules(&org, first_rules().await, now()).await.unwrap());
        forget_scripts(&mut place).await;
        let changed = place.store.rules_since(Revision::NONE, 9).await.unwrap().changes;
        assert_eq!(changed.len(), round + 1);
        forget_scripts(&mut place).await;
        last = place.replace(ended(&last)).await;
        let due = place.insert(due("bob")).await;
        forget_scripts(&mut place).await;
        assert_eq!(place.store.purge(now(), 9).await.unwrap(), 1);
        assert!(place.load(due.id()).await.is_none());
    }
    let ids: Vec<Vec<u8>> = place.raw.zrange(place.key("user:", "ada"), 0, -1).await.unwrap();
    assert!(ids.is_empty() && place.load(last.id()).await.unwrap().has_ended());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn scripts_that_are_forgotten_amid_many_calls_do_no_harm() {
    let name = "scripts_that_are_forgotten_amid_many_calls_do_no_harm";
    let Some(server) = server(name, &[]).await else { return };
    let mut place = server.place().await;
    for _ in 0..10 {
        // It brings along the scripts: nobody misses them twice.
        place.insert(record("anybody")).await;
        let mut people = JoinSet::new();
        for number in 0..64 {
            let store = place.store.clone();
            people.spawn(async move {
                let user = format!("user {number}");
                let session = Arc::new(record(&user));
                assert_eq!(store.insert(session.clone(), None).await.unwrap(), Inserted::Done);
                let next = Arc::new(active(&session, 1));
                assert_eq!(store.replace(next.clone()).await.unwrap(), Replaced::Done);
                let listed = store.list(&Key::user(&user), FIRST_PAGE).await.unwrap();
                assert_eq!(listed.records.len(), 1);
                assert_same(&listed.records[0], &next);
                let last = Arc::new(ended(&next));
                assert_eq!(store.replace(last).await.unwrap(), Replaced::Done);
            });
        }
        forget_scripts(&mut place).await;
        people.join_all().await;
    }
}

async fn forget_scripts(place: &mut Place) {
    let flush = redis::cmd("SCRIPT").arg("FLUSH").clone();
    let () = flush.query_async(&mut place.raw).await.unwrap();
}
