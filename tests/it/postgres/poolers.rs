//! Behind a pooler that gives out server connections for a transaction at a time. That the contract
//! holds there, and the stories, `tests/run` shows in a step of its own.

use std::sync::Arc;

use tokio::task::JoinSet;
use tower_curfew::store::{PostgresStore, Replaced, Store};

use super::support::{
    Schema, active, chain, connect, eventually, in_time, patiently, record, replaced, stored, with,
};
use crate::support::PgBouncer;

/// The server of these tests, and a PgBouncer before it.
struct Pooled {
    schema: Schema,
    pooler: PgBouncer,
}

impl Pooled {
    async fn new(connections: usize) -> Option<Self> {
        let schema = Schema::new().await?;
        let config: tokio_postgres::Config = schema.url.parse().unwrap();
        let port = config.get_ports().first().copied().unwrap_or(5432);
        Some(Self { schema, pooler: PgBouncer::before(port, connections)? })
    }

    fn url(&self) -> String {
        let (port, name) = (self.pooler.port(), &self.schema.name);
        format!("postgres://curfew@127.0.0.1:{port}/postgres?application_name={name}")
    }

    async fn store(&self) -> PostgresStore {
        self.schema.options_at(&self.url()).through_pooler().connect().await.unwrap()
    }
}

/// Four connections of the store share two of the server, and each answer comes to who asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_64_callers_gets_the_answer_to_its_own_question() {
    let Some(pooled) = Pooled::new(2).await else { return };
    let store = pooled.store().await;
    let mut callers = JoinSet::new();
    for number in 0..64 {
        let store = store.clone();
        callers.spawn(async move {
            let mut last = stored(&store, record(number, &format!("user {number}"), &[])).await;
            for seen in 2..20 {
                let next = active(&last, 1000 * seen);
                let replaced = patiently(|| store.replace(next.clone())).await.unwrap();
                assert_eq!(replaced, Replaced::Done);
                last = next;
                let found = store.load(last.id()).await.unwrap().unwrap().record;
                assert_eq!((found.user(), found.revision()), (last.user(), last.revision()));
            }
        });
    }
    in_time(async {
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
    })
    .await;
    let open = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND query LIKE '%{}%'",
        pooled.schema.name
    );
    assert_eq!(pooled.schema.number(&open).await, 0, "no transaction is left open");
    drop(store);
    pooled.schema.drop().await;
}

/// Nothing that is set or prepared stays with a server connection, which others get next.
#[tokio::test]
async fn a_server_connection_is_left_as_it_was_found() {
    let Some(pooled) = Pooled::new(1).await else { return };
    let store = pooled.store().await;
    let last = stored(&store, record(1, "ada", &["acme"])).await;
    replaced(&store, active(&last, 2000)).await;
    assert!(store.load(last.id()).await.unwrap().is_some());
    // There is only one.
    let other = connect(&pooled.url()).await;
    let row = other
        .query_typed_one(
            "SELECT current_setting('lock_timeout'), (SELECT count(*) FROM pg_prepared_statements)",
            &[],
        )
        .await
        .unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1)), ("0", 0));
    drop(store);
    pooled.schema.drop().await;
}

#[tokio::test]
async fn a_lock_that_somebody_keeps_is_an_error_soon_behind_a_pooler_too() {
    let Some(pooled) = Pooled::new(4).await else { return };
    let store = pooled.store().await;
    let last = stored(&store, record(1, "ada", &[])).await;
    let somebody = connect(&pooled.schema.url).await;
    let lock = format!("BEGIN; LOCK TABLE {}", pooled.schema.table("sessions"));
    somebody.batch_execute(&lock).await.unwrap();
    let held_up = "the session store is held up by other changes: ";
    let next = active(&last, 2000);
    let text = chain(&in_time(store.load(last.id())).await.unwrap_err());
    assert!(text.starts_with(held_up), "{text}");
    let text = chain(&in_time(store.replace(next.clone())).await.unwrap_err());
    assert!(text.starts_with(held_up), "{text}");
    somebody.batch_execute("ROLLBACK").await.unwrap();
    replaced(&store, next).await;
    drop(store);
    pooled.schema.drop().await;
}

/// The pooler says so in its own words, and closes the connection to the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_47_a_server_connection_that_breaks_behind_a_pooler_is_no_error() {
    let Some(pooled) = Pooled::new(4).await else { return };
    let store = pooled.store().await;
    let last = stored(&store, record(1, "ada", &[])).await;
    let next = active(&last, 2000);
    let somebody = connect(&pooled.schema.url).await;
    let sessions = pooled.schema.table("sessions");
    let lock = format!("BEGIN; SELECT 1 FROM {sessions} FOR UPDATE");
    somebody.batch_execute(&lock).await.unwrap();
    let call = tokio::spawn(async move {
        loop {
            match store.replace(next.clone()).await {
                // However long this machine takes to cut it.
                Err(error) if chain(&error).contains("held up by other changes") => {}
                answer => return answer,
            }
        }
    });
    eventually("a call that is cut off", async || {
        pooled.schema.cut("wait_event_type = 'Lock'").await == 1
    })
    .await;
    somebody.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(in_time(call).await.unwrap().unwrap(), Replaced::Done);
    pooled.schema.drop().await;
}

/// Callers who go in the middle of a sign-in leave no transaction behind for others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_leaves_no_transaction_open_behind_a_pooler() {
    let Some(pooled) = Pooled::new(2).await else { return };
    let store = pooled.store().await;
    for number in 0..50 {
        let (store, new) = (store.clone(), Arc::new(record(number, "ada", &["acme"])));
        let call = tokio::spawn(async move { store.insert(new, None).await });
        for _ in 0..number % 10 {
            tokio::task::yield_now().await;
        }
        call.abort();
    }
    in_time(stored(&store, record(1000, "bob", &[]))).await;
    let listed = super::support::listed(&store, &tower_curfew::store::Key::user("ada")).await;
    let rows = pooled.schema.rows("sessions").await;
    assert_eq!(listed.records.len() as i64 + 1, rows, "all of a sign-in, or nothing");
    drop(store);
    pooled.schema.drop().await;
}

#[tokio::test]
async fn a_pooler_that_was_not_spoken_of_is_noticed() {
    let Some(pooled) = Pooled::new(4).await else { return };
    let options = pooled.schema.options_at(&pooled.url());
    let text = chain(&in_time(options.connect()).await.unwrap_err());
    assert!(text.contains("say `through_pooler()`, or name the server itself"), "{text}");

    let refused = with(&pooled.url(), "options=-csearch_path%3Dx");
    let options = pooled.schema.options_at(&refused).through_pooler();
    let text = chain(&in_time(options.connect()).await.unwrap_err());
    assert!(text.contains("a pooler refuses the `options` of the connection string"), "{text}");
    pooled.schema.drop().await;
}
