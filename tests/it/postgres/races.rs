//! Races from several threads and nodes, and the clock.

use time::Duration;
use tokio::task::JoinSet;
use tower_curfew::store::{
    Ended, Insert, OrgRules, Page, PostgresStore, Record, Rotate, SecretHash, Selector, SetOrgs,
    Store, StoreError, Swapped, Touched,
};

use super::support::{Schema, at, chain, id, now, record, stored, touch, within};

/// Lets tasks on several threads run over the stores of two nodes, and collects their answers.
async fn race<T, F>(stores: &[PostgresStore], run: impl Fn(PostgresStore, u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut racers = JoinSet::new();
    for number in 0..32 {
        racers.spawn(run(stores[number as usize % stores.len()].clone(), number));
    }
    within(30, racers.join_all()).await
}

async fn two_nodes(schema: &Schema) -> [PostgresStore; 2] {
    [schema.options().connections(8).connect().await.unwrap(), schema.store().await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cap_holds_among_threads_and_nodes() {
    let Some(schema) = Schema::new("the_cap_holds_among_threads_and_nodes").await else { return };
    let stores = two_nodes(&schema).await;
    for round in 0..10 {
        let user = format!("user {round}");
        let answers = race(&stores, move |store, number| {
            let record = record(round * 100 + number, &user, &["acme", "globex"]);
            async move { store.insert(record, &[], Some(5)).await.unwrap() }
        })
        .await;
        let stored = answers.iter().filter(|answer| **answer == Insert::Stored).count();
        assert_eq!(stored, 5);
    }
    schema.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_several_threads_wins() {
    let Some(schema) = Schema::new("one_of_several_threads_wins").await else { return };
    let stores = two_nodes(&schema).await;
    for round in 0..10 {
        stored(&stores[0], record(round, "ada", &[])).await;
        let moved = race(&stores, move |store, number| async move {
            store.touch(touch(round, 1000, 2000 + i64::from(number))).await.unwrap()
        })
        .await;
        assert_eq!(moved.iter().filter(|touched| **touched == Touched::Moved).count(), 1);
        assert!(!moved.contains(&Touched::Gone), "{moved:?}");

        let swapped = race(&stores, move |store, number| async move {
            let old = SecretHash::from_bytes([7; 32]);
            let new = SecretHash::from_bytes([100 + number as u8; 32]);
            let rotate = Rotate { id: id(round), old, new, authenticated: None };
            store.rotate(rotate).await.unwrap()
        })
        .await;
        assert_eq!(swapped.iter().filter(|swapped| **swapped == Swapped::Done).count(), 1);
        assert!(!swapped.contains(&Swapped::Gone), "{swapped:?}");

        let seen = stores[0].load(id(round)).await.unwrap().unwrap();
        let changed = race(&stores, move |store, number| {
            let (orgs, ends_by) = (vec![format!("org {number}").into(), "same".into()], None);
            let seen = seen.clone();
            let change = SetOrgs { seen, orgs, joined: at(5), ends_by, purge_after: at(9) };
            async move { store.set_orgs(change).await.unwrap() }
        })
        .await;
        assert_eq!(changed.iter().filter(|swapped| **swapped == Swapped::Done).count(), 1);
    }
    schema.drop().await;
}

/// Each ends once, whichever way it is found, and nothing deadlocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ends_purges_and_changes_at_once_do_not_lock_each_other_out() {
    let test = "ends_purges_and_changes_at_once_do_not_lock_each_other_out";
    let Some(schema) = Schema::new(test).await else { return };
    let stores = two_nodes(&schema).await;
    for round in 0..5 {
        for number in 0..40 {
            let orgs = if number % 2 == 0 { ["acme", "globex"] } else { ["a", "globex"] };
            stored(&stores[0], record(round * 100 + number, "ada", &orgs)).await;
        }
        let counts = race(&stores, move |store, number| async move {
            let ended = Ended::revoked(at(2000));
            let ends = async |which: Selector| store.end(&which, &ended).await;
            let seen = store.load(id(round * 100 + number)).await?.unwrap();
            match number % 6 {
                0 => ends(Selector::user("ada")).await,
                1 => ends(Selector::org("globex")).await,
                2 => ends(Selector::org("acme").not_seen_after(at(5000))).await,
                3 => {
                    let new = record(round * 100 + 50 + number, "bob", &["acme", "globex"]);
                    let replaces: Vec<_> = (0..40).rev().map(|i| id(round * 100 + i)).collect();
                    let listed = store.list(&Selector::user("ada"), all()).await?.len() as u64;
                    let _stored = store.insert(new, &replaces, None).await?;
                    // How many of them it ended does not show.
                    Ok::<_, StoreError>(listed * 1000)
                }
                4 => {
                    let orgs = vec!["new".into()];
                    let (ends_by, purge_after) = (None, at(99_000));
                    let change = SetOrgs { seen, orgs, joined: at(5), ends_by, purge_after };
                    let _any = store.set_orgs(change).await?;
                    Ok(0)
                }
                _ => store.purge(at(500), 100).await,
            }
        })
        .await;
        for count in counts {
            count.unwrap();
        }
        assert!(stores[1].list(&Selector::user("ada"), all()).await.unwrap().is_empty());
    }
    let purged = race(&stores, |store, _| async move {
        let mut sum = 0;
        loop {
            let purged = store.purge(at(i64::MAX - 1), 7).await.unwrap();
            sum += purged;
            if purged < 7 {
                return sum;
            }
        }
    })
    .await;
    assert!(0 < purged.iter().sum::<u64>());
    for table in ["sessions", "members"] {
        let left = format!("SELECT count(*) FROM {}", schema.table(table));
        assert_eq!(schema.number(&left).await, 0, "{table}");
    }
    schema.drop().await;
}

/// Whoever joins while all sessions are revoked is stamped before or after, and never between.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stamps_and_rules_agree_among_threads() {
    let Some(schema) = Schema::new("stamps_and_rules_agree_among_threads").await else { return };
    let stores = two_nodes(&schema).await;
    race(&stores, |store, number| async move {
        if number % 4 != 0 {
            let before = store.org_rules("acme").await.unwrap().map(|rules| rules.generation());
            stored(&store, record(number, "ada", &["acme"])).await;
            let facts = store.load(id(number)).await.unwrap().unwrap();
            let stamp = facts.record().memberships[0].generation;
            assert!(before <= Some(stamp), "stamped with rules that were old by then");
            let (_, rules) = facts.memberships().next().unwrap();
            assert!(stamp <= rules.generation());
            return;
        }
        loop {
            let old = store.org_rules("acme").await.unwrap();
            let expected = old.as_ref().map(|rules| rules.revision());
            let new = old.map_or(OrgRules::first(at(1)), |rules| rules.with_revocation());
            if store.put_org_rules("acme", expected, new).await.unwrap() {
                return;
            }
        }
    })
    .await;
    schema.drop().await;
}

#[tokio::test]
async fn a_caller_whose_clock_is_wrong_neither_inserts_nor_purges() {
    let test = "a_caller_whose_clock_is_wrong_neither_inserts_nor_purges";
    let Some(schema) = Schema::new(test).await else { return };
    drop(schema.store().await);
    let store = PostgresStore::options(&schema.url).schema(&schema.name).connect().await.unwrap();
    let dated = |number, created| Record {
        created,
        purge_after: created + Duration::DAY,
        ..record(number, "ada", &["acme"])
    };
    stored(&store, dated(1, now())).await;
    let facts = store.load(id(1)).await.unwrap().unwrap();
    let told = facts.store_time().expect("the server's time");
    assert!(told.since(now()).max(now().since(told)) < Duration::SECOND, "{told}");
    let listed = store.list(&Selector::user("ada"), all()).await.unwrap();
    assert!(listed[0].store_time().is_some());
    for off in [Duration::minutes(2), Duration::minutes(-2)] {
        let error = store.insert(dated(2, now() + off), &[], None).await.unwrap_err();
        assert!(error.to_string().contains("differ by more than a minute"), "{}", chain(&error));
        assert!(store.purge(now() + off, 10).await.is_err());
    }
    assert!(store.load(id(2)).await.unwrap().is_none());
    assert_eq!(store.purge(now() + Duration::seconds(30), 10).await.unwrap(), 0);
    drop(store);
    schema.drop().await;
}

fn all() -> Page {
    Page { after: None, at_most: 1000 }
}
