//! The server's clock, which is told with what is read, and which writers are held against.

use time::Duration;
use tower_curfew::store::{Key, PostgresStore, Store};

use super::support::{Schema, chain, dated, first_rules, id, listed, now, stored};

#[tokio::test]
async fn a_caller_whose_clock_is_wrong_neither_inserts_nor_purges_nor_changes_rules() {
    let Some(schema) = Schema::new().await else { return };
    let options = PostgresStore::options(&schema.url).schema(&schema.name);
    let store = options.clone().connect().await.unwrap();
    stored(&store, dated(1, now())).await;
    let told = store.load(id(1)).await.unwrap().unwrap().clock.expect("the server's time");
    assert!(told.since(now()).max(now().since(told)) < Duration::SECOND, "{told}");
    assert!(listed(&store, &Key::user("ada")).await.clock.is_some());
    // Whether the server's time is known already or not.
    for store in [store, options.connect().await.unwrap()] {
        for off in [Duration::minutes(2), Duration::minutes(-2)] {
            let error = store.insert(dated(2, now() + off).into(), None).await.unwrap_err();
            let text = chain(&error);
            assert!(text.contains("differ by more than a minute"), "{text}");
            assert!(store.purge(now() + off, 10).await.is_err());
            assert!(store.replace_rules("acme", first_rules(), now() + off).await.is_err());
        }
        assert!(store.load(id(2)).await.unwrap().is_none());
        assert_eq!(schema.rows("rules").await, 0);
        assert_eq!(store.purge(now() + Duration::seconds(30), 10).await.unwrap(), 0);
    }
    schema.drop().await;
}

/// A clock that is set wrong by less than a minute does not order what has happened.
#[tokio::test]
async fn rules_are_numbered_by_the_time_of_the_server() {
    let Some(schema) = Schema::new().await else { return };
    let store = PostgresStore::options(&schema.url).schema(&schema.name).connect().await.unwrap();
    let before = now();
    assert!(
        store.replace_rules("acme", first_rules(), now() + Duration::seconds(50)).await.unwrap()
    );
    let place = format!("SELECT place >> 20 FROM {}", schema.table("rules"));
    let place = schema.number(&place).await;
    let range = before - Duration::SECOND..=now() + Duration::SECOND;
    assert!(range.contains(&super::support::at(place)), "{place} is not of {range:?}");
    schema.drop().await;
}
