//! What a call costs: how often it goes to the server and back.

use std::sync::Arc;

use time::Duration;
use tower_curfew::store::{Cap, Inserted, Key, Page, PostgresStore, Replaced, Revision, Store};
use tower_curfew::{AtCap, ClientInfo, Curfew, Keyring, NewSession};

use super::road::Road;
use super::support::{
    Schema, active, at, dated, ended, first_rules, id, memberships, nonce, now, record, replaced,
    stored,
};

/// One round trip from the very first request of a connection on.
#[tokio::test]
async fn a_request_is_one_round_trip_and_its_activity_another() {
    let Some(schema) = Schema::new().await else { return };
    let last = stored(&schema.store().await, record(1, "ada", &["acme"])).await;
    let road = Road::to(&schema).await;
    let store = road.options(&schema).connections(2).connect().await.unwrap();
    let (trips, found) = road.count(store.load(id(1))).await;
    assert_eq!((trips, found.unwrap().is_some()), (1, true));
    let (trips, last) = road.count(replaced(&store, active(&last, 2000))).await;
    assert_eq!(trips, 1);
    let (trips, _) = road.count(replaced(&store, active(&last, 3000))).await;
    assert_eq!(trips, 1);
    let (trips, nobody) = road.count(store.load(id(2))).await;
    assert_eq!((trips, nobody.unwrap().is_none()), (1, true));
    schema.drop().await;
}

#[tokio::test]
async fn a_call_whose_statements_are_prepared_asks_no_more_than_it_must() {
    let Some(schema) = Schema::new().await else { return };
    let road = Road::to(&schema).await;
    let store = road.options(&schema).connections(2).connect().await.unwrap();
    let cap = Some(Cap { at_most: 2, except: None });
    let page = Page { after: None, at_most: 10 };
    for is_prepared in [false, true] {
        let (user, first) = (format!("user {is_prepared}"), 10 * u32::from(is_prepared));
        let new = |number| Arc::new(record(first + number, &user, &["acme"]));
        let mut trips = Vec::new();
        let mut note = |what, (count, ()): (u64, ())| trips.push((what, count));

        let inserts = async |record, cap, expected| {
            assert_eq!(store.insert(record, cap).await.unwrap(), expected);
        };
        let record = new(1);
        note("a sign-in", road.count(inserts(record.clone(), None, Inserted::Done)).await);
        note("with a cap", road.count(inserts(new(2), cap, Inserted::Done)).await);
        note("that is full", road.count(inserts(new(3), cap, Inserted::Full)).await);
        note("that is made again", road.count(inserts(record.clone(), None, Inserted::Done)).await);

        let replaces = async |next, expected| {
            assert_eq!(store.replace(next).await.unwrap(), expected);
        };
        let elsewhere = Arc::new(record.next(nonce()).with_memberships(memberships(&["globex"])));
        note("other orgs", road.count(replaces(elsewhere.clone(), Replaced::Done)).await);
        note("too late", road.count(replaces(active(&record, 9), Replaced::Stale)).await);
        note("an end", road.count(replaces(ended(&elsewhere), Replaced::Done)).await);

        let lists = async || assert!(store.list(&Key::user(&user), page).await.is_ok());
        note("a list", road.count(lists()).await);
        let asks = async || assert!(store.rules_since(Revision::NONE, 9).await.is_ok());
        note("what has changed", road.count(asks()).await);
        let changes = async || {
            assert!(store.replace_rules(&user, first_rules(), at(1)).await.unwrap());
        };
        note("a change of rules", road.count(changes()).await);

        let expected = [
            ("a sign-in", 3),
            ("with a cap", 4),
            ("that is full", 5),
            ("that is made again", 4),
            ("other orgs", 1),
            ("too late", 2),
            ("an end", 1),
            ("a list", 2),
            ("what has changed", 1),
            ("a change of rules", 6),
        ];
        if is_prepared {
            assert_eq!(trips, expected);
        }
    }
    schema.drop().await;
}

/// Whoever signs in is judged by rules that are no older than the sign-in.
#[tokio::test]
async fn a_sign_in_is_one_read_and_a_transaction_of_four_round_trips() {
    let Some(schema) = Schema::new().await else { return };
    let road = Road::to(&schema).await;
    let store = road.options(&schema).connections(2).connect().await.unwrap();
    // Nobody is without a cap.
    for cap in [None, Some((5, AtCap::Refuse))] {
        let curfew = handle(store.clone(), cap);
        let signs_in = async || {
            let new = NewSession::for_user("ada").orgs(["acme", "globex"]);
            let _cookie = curfew.start(new, &ClientInfo::for_tests()).await.unwrap();
        };
        // The first one of all tells for how long it may be silent, and statements are prepared.
        signs_in().await;
        let (trips, ()) = road.count(signs_in()).await;
        assert_eq!(trips, 5, "{cap:?}");
    }
    schema.drop().await;
}

/// Whoever writes when nobody has read for a second asks for the time alone.
#[tokio::test]
async fn the_time_of_the_server_costs_a_read_nothing() {
    let Some(schema) = Schema::new().await else { return };
    let road = Road::to(&schema).await;
    let options = PostgresStore::options(road.url()).schema(&schema.name).connections(2);
    drop(options.clone().without_clock_check().connect().await.unwrap());
    let reads = options.clone().connect().await.unwrap();
    let (trips, found) = road.count(reads.load(id(1))).await;
    assert_eq!((trips, found.unwrap().is_none()), (1, true));
    drop(reads);

    // Each of the statements is prepared, which is as much again.
    let begin_and_commit = 2;
    let writes = options.clone().connect().await.unwrap();
    let (trips, _) = road.count(stored(&writes, dated(2, now()))).await;
    assert_eq!(trips, begin_and_commit + 2 + 2);
    let unchecked = options.without_clock_check().connect().await.unwrap();
    let (trips, _) = road.count(stored(&unchecked, dated(3, now()))).await;
    assert_eq!(trips, begin_and_commit + 2);
    schema.drop().await;
}

fn handle(store: PostgresStore, cap: Option<(u32, AtCap)>) -> Curfew {
    let keyring = Keyring::from_bytes([7; 32]).unwrap();
    // How busy this machine is decides nothing.
    let builder = Curfew::builder(store, keyring).timeout(Duration::MINUTE).purge_by_hand();
    let builder = match cap {
        Some((sessions, overflow)) => builder.at_most_per_user(sessions, overflow),
        None => builder,
    };
    builder.build().unwrap()
}
