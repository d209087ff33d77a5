//! Rules: their changes are visible in the order of their revisions, and so nobody misses one.

use tower_curfew::store::{Change, PostgresStore, Revision, Store};
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, Selector};

use super::races::{RACERS, race, two_nodes};
use super::road::Road;
use super::support::{Schema, at, eventually, first_rules, in_time, patiently};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_lower_revision_becomes_visible_after_a_higher_one() {
    let Some(schema) = Schema::new().await else { return };
    let stores = two_nodes(&schema).await;
    let follow = |store: &PostgresStore, at_most| {
        let store = store.clone();
        tokio::spawn(async move {
            let (mut reached, mut heard) = (Revision::NONE, Vec::new());
            while heard.len() < RACERS as usize {
                let page = patiently(|| store.rules_since(reached, at_most)).await.unwrap();
                assert!(reached <= page.reaches, "it goes on");
                reached = page.reaches;
                heard.extend(page.changes.into_iter().map(|changed| changed.org));
            }
            heard
        })
    };
    let follow = [follow(&stores[0], 1), follow(&stores[1], 3), follow(&stores[0], 1000)];
    let changed = race(&stores, |store, number| async move {
        let (org, rules) = (format!("org {number}"), first_rules());
        let replace = || store.replace_rules(&org, rules.clone(), at(number.into()));
        patiently(replace).await.unwrap()
    })
    .await;
    assert!(changed.iter().all(|changed| *changed));
    let order = orgs_since(&stores[0], Revision::NONE).await;
    for heard in follow {
        let heard = in_time(heard).await.unwrap();
        assert!(heard.iter().map(|org| &**org).eq(&order), "each once, and in order: {heard:?}");
    }
    schema.drop().await;
}

/// Whoever has seen a change has seen all below it, also while one of them is not committed yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_waits_for_the_one_that_began_before() {
    let Some(schema) = Schema::new().await else { return };
    let road = Road::to(&schema).await;
    let slow = road.options(&schema).connections(2).connect().await.unwrap();
    let fast = schema.store().await;
    let (commit, before) = changed_twice(&road, &slow).await;

    road.hold(commit);
    let first = change(&slow, "first");
    road.holds().await;
    let second = change(&fast, "second");
    schema.are_held_up(1).await;
    let page = fast.rules_since(before, 10).await.unwrap();
    assert_eq!((page.changes.len(), page.reaches), (0, before), "neither is visible");
    road.open();
    for changed in [first, second] {
        assert!(in_time(changed).await.unwrap());
    }
    assert_eq!(orgs_since(&fast, before).await, ["first", "second"]);
    schema.drop().await;
}

/// Others may be turned away at first, but the server ends its transaction soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_lost_in_the_middle_of_a_change_stops_no_other_for_good() {
    let Some(schema) = Schema::new().await else { return };
    let road = Road::to(&schema).await;
    let lost = road.options(&schema).connections(2).connect().await.unwrap();
    let store = schema.store().await;
    let (commit, before) = changed_twice(&road, &lost).await;
    road.hold(commit);
    let first = change(&lost, "first");
    road.holds().await;
    let rules = first_rules();
    let changes = async || store.replace_rules("second", rules.clone(), at(1)).await.is_ok();
    in_time(eventually("a change by somebody else", changes)).await;
    assert_eq!(orgs_since(&store, before).await, ["second"]);
    first.abort();
    road.open();
    assert!(in_time(change(&lost, "third")).await.unwrap(), "it has found its way back");
    schema.drop().await;
}

fn change(store: &PostgresStore, org: &'static str) -> tokio::task::JoinHandle<bool> {
    let store = store.clone();
    tokio::spawn(async move { store.replace_rules(org, first_rules(), at(1)).await.unwrap() })
}

/// Which question of a change is the last one once all is prepared, and at which revision the rules
/// stand.
async fn changed_twice(road: &Road, store: &PostgresStore) -> (u64, Revision) {
    assert!(change(store, "a").await.unwrap());
    // It begins when counting does: `change` by itself is under way at once.
    let (commit, changed) = road.count(async { change(store, "b").await }).await;
    assert!(changed.unwrap());
    (commit, store.rules_since(Revision::NONE, 10).await.unwrap().reaches)
}

async fn orgs_since(store: &PostgresStore, revision: Revision) -> Vec<String> {
    let page = store.rules_since(revision, 1000).await.unwrap();
    page.changes.iter().map(|changed| changed.org.to_string()).collect()
}

/// Commits that tell wait for one another, so those that write down what everybody knows do not.
#[tokio::test]
async fn r41_what_the_rules_have_ended_is_not_told_once_more() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let keyring = Keyring::from_bytes([7; 32]).unwrap();
    let curfew = Curfew::builder(store.clone(), keyring).build().unwrap();
    let sign_in = async || {
        let new = NewSession::for_user("ada");
        let _ = curfew.start(new, &ClientInfo::for_tests()).await.unwrap();
        curfew.list("ada").await.unwrap()[0].id()
    };
    let mut revoked = Vec::new();
    for _ in 0..5 {
        revoked.push(sign_in().await);
    }
    let mut changes = store.watch().await.unwrap().unwrap();
    curfew.operator("tests").revoke_everyone().await.unwrap();
    assert!(curfew.list("ada").await.unwrap().is_empty());
    for id in &revoked {
        assert!(store.load(*id).await.unwrap().unwrap().record.has_ended());
    }
    let signed_out = sign_in().await;
    curfew.operator("tests").revoke(Selector::session(signed_out)).await.unwrap();
    let mut told = Vec::new();
    while !told.contains(&signed_out) {
        if let Change::Session(id) = in_time(changes.next()).await.unwrap() {
            told.push(id);
        }
    }
    assert_eq!(told, [signed_out]);
    drop((curfew, changes, store));
    schema.drop().await;
}
