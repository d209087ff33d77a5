//! Races from several threads and nodes.

use std::sync::Arc;

use tokio::task::JoinSet;
use tower_curfew::store::{Cap, Inserted, Key, PostgresStore, Record, Replaced, SecretHash, Store};

use super::support::{
    Schema, active, at, ended, id, in_time, listed, memberships, nonce, patiently, record, stored,
};

/// Lets tasks on several threads run over the stores of two nodes, and collects their answers.
pub(super) async fn race<T, F>(
    stores: &[PostgresStore],
    run: impl Fn(PostgresStore, u32) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut racers = JoinSet::new();
    for number in 0..RACERS {
        racers.spawn(run(stores[number as usize % stores.len()].clone(), number));
    }
    in_time(racers.join_all()).await
}

pub(super) const RACERS: u32 = 32;

pub(super) async fn two_nodes(schema: &Schema) -> [PostgresStore; 2] {
    [schema.options().connections(8).connect().await.unwrap(), schema.store().await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cap_holds_among_threads_and_nodes() {
    let Some(schema) = Schema::new().await else { return };
    let stores = two_nodes(&schema).await;
    for round in 0..10 {
        let user = format!("user {round}");
        let answers = race(&stores, |store, number| {
            let record = Arc::new(record(round * 100 + number, &user, &["acme", "globex"]));
            let cap = Some(Cap { at_most: 5, except: None });
            async move { patiently(|| store.insert(record.clone(), cap)).await.unwrap() }
        })
        .await;
        let filed = answers.iter().filter(|answer| **answer == Inserted::Done).count();
        assert_eq!(filed, 5);
        assert_eq!(listed(&stores[0], &Key::user(&user)).await.records.len(), 5);
    }
    schema.drop().await;
}

/// Of those who would take the place of the same session only one finds room.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_several_threads_takes_the_place_of_another() {
    let Some(schema) = Schema::new().await else { return };
    let stores = two_nodes(&schema).await;
    for round in 0..5 {
        let user = format!("user {round}");
        let old = stored(&stores[0], record(round * 100 + 99, &user, &[])).await;
        let answers = race(&stores, |store, number| {
            let record = Arc::new(record(round * 100 + number, &user, &[]));
            let cap = Some(Cap { at_most: 1, except: Some(old.id()) });
            async move { patiently(|| store.insert(record.clone(), cap)).await.unwrap() }
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| **answer == Inserted::Done).count(), 1);
    }
    schema.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_several_threads_wins() {
    let Some(schema) = Schema::new().await else { return };
    let stores = two_nodes(&schema).await;
    let changes: [fn(&Record, u32) -> Record; 4] = [
        |record, number| record.next(nonce()).with_activity(at(2000 + i64::from(number))),
        |record, number| {
            let secret = SecretHash::from_bytes([100 + number as u8; 32]);
            record.next(nonce()).with_secret(secret)
        },
        |record, number| {
            let orgs = [&*format!("org {number}"), "same"];
            record.next(nonce()).with_memberships(memberships(&orgs))
        },
        |record, number| {
            let next = if number.is_multiple_of(2) { ended(record) } else { active(record, 9000) };
            (*next).clone()
        },
    ];
    for round in 0..10 {
        let mut last = stored(&stores[0], record(round, "ada", &["acme"])).await;
        for change in changes {
            let answers = race(&stores, |store, number| {
                let next = Arc::new(change(&last, number));
                async move { (patiently(|| store.replace(next.clone())).await.unwrap(), next) }
            })
            .await;
            let (winners, others): (Vec<_>, Vec<_>) =
                answers.into_iter().partition(|(answer, _)| *answer == Replaced::Done);
            let [(_, winner)] = &winners[..] else { panic!("these win: {winners:?}") };
            let told = if winner.has_ended() { Replaced::Gone } else { Replaced::Stale };
            assert!(others.iter().all(|(answer, _)| *answer == told), "{others:?}");
            let found = stores[0].load(id(round)).await.unwrap().unwrap().record;
            assert_eq!(found.encode(), winner.encode());
            last = winner.clone();
        }
        // Of what the others wanted nothing is listed.
        let keys = if last.has_ended() { Vec::new() } else { last.keys() };
        let places =
            format!("SELECT count(*) FROM {} WHERE session = $1", schema.table("session_keys"));
        let row = schema.client.query_one(&places, &[&&last.id().as_bytes()[..]]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), keys.len() as i64);
    }
    schema.drop().await;
}

/// Each ends once, whichever way it is found, and nothing deadlocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ends_purges_and_changes_at_once_do_not_lock_each_other_out() {
    let Some(schema) = Schema::new().await else { return };
    let stores = two_nodes(&schema).await;
    for round in 0..5 {
        let first = round * 100;
        for number in 0..40 {
            let org = if number % 2 == 0 { "acme" } else { "other" };
            stored(&stores[0], record(first + number, "ada", &[org, "globex"])).await;
        }
        let ended = race(&stores, move |store, number| async move {
            match number % 6 {
                0 => return end_all(&store, &Key::user("ada")).await,
                1 => return end_all(&store, &Key::org("globex")).await,
                2 => return end_all(&store, &Key::org("acme")).await,
                3 => drop(stored(&store, record(first + 50 + number, "ada", &["globex"])).await),
                4 => {
                    for number in 0..40 {
                        let found = store.load(id(first + number)).await.unwrap().unwrap().record;
                        let orgs = memberships(&["new"]);
                        let next = found.next(nonce()).with_memberships(orgs);
                        let next = Arc::new(next);
                        let _any = patiently(|| store.replace(next.clone())).await.unwrap();
                    }
                }
                _ => assert_eq!(patiently(|| store.purge(at(500), 100)).await.unwrap(), 0),
            }
            0
        })
        .await;
        let ended = ended.iter().sum::<u64>() + end_all(&stores[1], &Key::user("ada")).await;
        let began_meanwhile = (0..RACERS).filter(|number| number % 6 == 3).count() as u64;
        assert_eq!(ended, 40 + began_meanwhile);
        assert_eq!(schema.rows("session_keys").await, 0, "what has ended is listed nowhere");
    }
    let filed = schema.rows("sessions").await as u64;
    stored(&stores[0], record(9999, "bob", &["acme"])).await;
    let purged = race(&stores, |store, _| async move {
        let mut sum = 0;
        loop {
            let purged = patiently(|| store.purge(at(i64::MAX - 1), 7)).await.unwrap();
            sum += purged;
            if purged < 7 {
                return sum;
            }
        }
    })
    .await;
    assert_eq!(purged.iter().sum::<u64>(), filed + 1);
    for table in ["sessions", "session_keys"] {
        assert_eq!(schema.rows(table).await, 0, "{table}");
    }
    schema.drop().await;
}

/// Ends what is listed under a key, whatever others do, and says how many this call has ended.
async fn end_all(store: &PostgresStore, key: &Key) -> u64 {
    let mut count = 0;
    for mut found in listed(store, key).await.records {
        loop {
            let next = ended(&found);
            match patiently(|| store.replace(next.clone())).await.unwrap() {
                Replaced::Done => break count += 1,
                Replaced::Gone => break,
                Replaced::Stale => {
                    found = store.load(found.id()).await.unwrap().unwrap().record;
                }
            }
        }
    }
    count
}
