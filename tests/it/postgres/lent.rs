//! Over a pool of the app's, whose connections come back as they were given.

use std::sync::Arc;

use tokio::task::JoinSet;
use tower_curfew::store::{PostgresOptions, PostgresStore, Replaced, Store};

use super::support::{Schema, active, chain, connect, in_time, patiently, record, stored, with};
use crate::support::{AnyStore, Site, Way, days, hours, pool};

fn over(pool: &deadpool_postgres::Pool, schema: &Schema) -> PostgresOptions {
    PostgresStore::options_with_pool(pool.clone()).schema(&schema.name).without_clock_check()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_calls_go_over_the_pool_and_no_connection_more() {
    let Some(schema) = Schema::new().await else { return };
    let own = pool(&with(&schema.url, &format!("application_name={}", schema.name)));
    let store = over(&own, &schema).connect().await.unwrap();
    let mut callers = JoinSet::new();
    for number in 0..64 {
        let store = store.clone();
        callers.spawn(async move {
            let last = stored(&store, record(number, &format!("user {number}"), &[])).await;
            let next = active(&last, 2000);
            let replaced = patiently(|| store.replace(next.clone())).await.unwrap();
            assert_eq!(replaced, Replaced::Done);
            let found = patiently(|| store.load(last.id())).await.unwrap().unwrap().record;
            assert_eq!((found.user(), found.revision()), (next.user(), next.revision()));
        });
    }
    in_time(callers.join_all()).await;
    let connections = schema.connections().await;
    assert!((1..=4).contains(&connections), "{connections}");
    for _ in 0..4 {
        let client = own.get().await.unwrap();
        let row = client.query_one("SHOW lock_timeout", &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "0", "the app's setting stands");
    }
    drop(store);
    schema.drop().await;
}

/// A connection with a transaction that nobody ends would hold up whoever of the app gets it next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_gives_back_no_open_transaction() {
    let Some(schema) = Schema::new().await else { return };
    let own = pool(&schema.url);
    let store = over(&own, &schema).connect().await.unwrap();
    for number in 0..100 {
        let (store, new) = (store.clone(), Arc::new(record(number, "ada", &["acme"])));
        let call = tokio::spawn(async move { store.insert(new, None).await });
        for _ in 0..number % 10 {
            tokio::task::yield_now().await;
        }
        call.abort();
        let _ = call.await;
        let client = own.get().await.unwrap();
        // Within a transaction its beginning is what `now` says.
        let is_outside = client.simple_query("SELECT now() = statement_timestamp()").await.unwrap();
        let is_outside = is_outside.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        assert_eq!(is_outside, Some("t"), "an open transaction after {number}");
    }
    drop(store);
    schema.drop().await;
}

#[tokio::test]
async fn a_lock_that_somebody_keeps_is_an_error_soon_over_a_pool_too() {
    let Some(schema) = Schema::new().await else { return };
    let store = over(&pool(&schema.url), &schema).connect().await.unwrap();
    let last = stored(&store, record(1, "ada", &[])).await;
    let somebody = connect(&schema.url).await;
    let lock = format!("BEGIN; LOCK TABLE {}", schema.table("sessions"));
    somebody.batch_execute(&lock).await.unwrap();
    let text = chain(&in_time(store.load(last.id())).await.unwrap_err());
    assert!(text.starts_with("the session store is held up by other changes: "), "{text}");
    somebody.batch_execute("ROLLBACK").await.unwrap();
    assert!(store.load(last.id()).await.unwrap().is_some());
    drop(store);
    schema.drop().await;
}

#[tokio::test]
async fn what_belongs_on_the_pool_is_refused() {
    let Some(schema) = Schema::new().await else { return };
    let own = pool(&schema.url);
    let text = chain(&over(&own, &schema).connections(8).connect().await.unwrap_err());
    assert!(text.contains("`connections` is for connections of the store's own"), "{text}");
    let read_only = with(&schema.url, "options=-cdefault_transaction_read_only%3Don");
    let text = chain(&over(&pool(&read_only), &schema).connect().await.unwrap_err());
    assert!(text.contains("it takes no writes"), "{text}");
    let nobody = pool("postgres://curfew@127.0.0.1:1/postgres");
    let text = chain(&in_time(over(&nobody, &schema).connect()).await.unwrap_err());
    assert!(text.contains("the server cannot be reached"), "{text}");
    own.close();
    let text = chain(&in_time(over(&own, &schema).connect()).await.unwrap_err());
    assert!(text.contains("the pool gives no connection"), "{text}");
    schema.drop().await;
}

/// A person comes, works, is idle for too long; another signs out everywhere.
#[tokio::test]
async fn sessions_begin_last_and_end_over_a_pool() {
    let Some(schema) = Schema::new().await else { return };
    let store = AnyStore::postgres_on(Way::Lent, &schema.url).await;
    let site = Site::over(store, |builder| builder);
    let mut ada = site.signed_in("ada", &["acme"]).await;
    let mut bob = site.signed_in("bob", &["acme"]).await;
    site.pass(hours(2));
    assert!(ada.is_signed_in().await);
    assert_eq!(bob.clone().post("/logout").await.status, 200);
    assert_eq!(bob.turned_away_because().await, "revoked");
    site.pass(days(29));
    assert_eq!(ada.turned_away_because().await, "idle");
    schema.drop().await;
}
