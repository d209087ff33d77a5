//! What is said at the start of what stands in the way, each in its own words.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_postgres::NoTls;
use tower_curfew::store::{Inserted, PostgresOptions, PostgresStore, Store};

use super::servers::Server;
use super::support::{Schema, chain, eventually, id, in_time, record, stored, with};

async fn refused(options: PostgresOptions) -> String {
    chain(&in_time(options.connect()).await.unwrap_err())
}

#[tokio::test]
async fn a_column_or_table_that_is_missing_is_told() {
    let Some(schema) = Schema::new().await else { return };
    drop(schema.store().await);
    for (table, column) in [("sessions", "purge_check"), ("session_keys", "created")] {
        let table = schema.table(table);
        schema.run(&format!("ALTER TABLE {table} RENAME COLUMN {column} TO other")).await;
        let text = refused(schema.options()).await;
        assert!(text.contains("a table lacks a column"), "{text}");
        assert!(text.contains(&format!("column \"{column}\" does not exist (42703)")), "{text}");
        schema.run(&format!("ALTER TABLE {table} RENAME COLUMN other TO {column}")).await;
        drop(schema.store().await);
    }
    schema.run(&format!("DROP TABLE {}", schema.table("rules"))).await;
    let text = refused(schema.options()).await;
    assert!(text.contains("some of its tables are missing"), "{text}");
    schema.drop().await;
}

#[tokio::test]
async fn a_role_that_may_not_connect_is_told_why() {
    let Some(schema) = Schema::new().await else { return };
    let role = schema.role().await;
    schema.run(&format!("ALTER ROLE {} NOLOGIN", schema.name)).await;
    let text = refused(PostgresStore::options(&role)).await;
    assert!(text.contains("there is no such role, or it may not connect"), "{text}");
    assert!(!text.contains("tea"), "{text}");
    let nobody = with(&schema.url, "user=nobody_of_this_name");
    let text = refused(PostgresStore::options(nobody)).await;
    assert!(text.contains("there is no such role, or it may not connect"), "{text}");
    schema.drop().await;
}

/// On a server of its own, whose files are changed.
#[tokio::test]
async fn a_server_that_lets_nobody_in_is_told_apart() {
    let Some(server) = spawn_blocking(Server::start).await.unwrap() else { return };
    let url = |user: &str| {
        format!("postgres://{user}@127.0.0.1:{}/postgres?application_name=site", server.port())
    };
    let options = |user| PostgresStore::options(url(user));
    drop(options("curfew").connect().await.unwrap());
    server
        .run(
            "CREATE ROLE ada LOGIN PASSWORD 'tea'; CREATE ROLE bob LOGIN; \
             GRANT ALL ON ALL TABLES IN SCHEMA public TO ada",
        )
        .await;

    server.run("REVOKE CONNECT ON DATABASE postgres FROM public").await;
    let text = refused(options("ada")).await;
    assert!(text.contains("the role may not connect to this database; grant it CONNECT"), "{text}");
    server.run("GRANT CONNECT ON DATABASE postgres TO public").await;

    server.run("REVOKE EXECUTE ON FUNCTION pg_control_system FROM public").await;
    let text = refused(options("ada")).await;
    assert!(text.contains("grant it EXECUTE on the functions pg_control_system"), "{text}");
    server.run("GRANT EXECUTE ON FUNCTION pg_control_system TO public").await;
    drop(options("ada").connect().await.unwrap());

    server.run("ALTER ROLE ada CONNECTION LIMIT 1").await;
    // The server notices a while later that those of before have gone.
    let mut somebody = None;
    eventually("room for one", async || {
        somebody = tokio_postgres::connect(&url("ada"), NoTls).await.ok();
        somebody.is_some()
    })
    .await;
    let text = refused(options("ada")).await;
    assert!(text.contains("the server has no connection left"), "{text}");
    drop(somebody);

    server.lets_in("host all ada 127.0.0.1/32 scram-sha-256\nhost all curfew 127.0.0.1/32 trust\n");
    server.run("SELECT pg_reload_conf()").await;
    let text = refused(options("bob")).await;
    assert!(text.contains("or check its pg_hba.conf"), "{text}");
    let text = refused(options("ada:coffee")).await;
    assert!(text.contains("the server refuses the role's password"), "{text}");
    assert!(!text.contains("coffee"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_waits_for_too_few_replicas_is_refused_where_that_was_asked_for() {
    let Some(server) = spawn_blocking(Server::start).await.unwrap() else { return };
    let options = |replicas| {
        PostgresStore::options(server.url()).without_clock_check().acknowledged_by(replicas)
    };
    drop(options(0).connect().await.unwrap());
    let few = "what it acknowledges is on fewer replicas than `acknowledged_by` asks for";
    let text = refused(options(1)).await;
    assert!(text.contains(few), "{text}");
    server.run("ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()").await;
    drop(options(1).connect().await.unwrap());
    let text = refused(options(2)).await;
    assert!(text.contains(few), "{text}");
    // Or this one would wait for a replica.
    let local = "SET synchronous_commit = local; ALTER ROLE curfew SET synchronous_commit = local";
    server.run(local).await;
    let text = refused(options(1)).await;
    assert!(text.contains(few), "{text}");
}

/// What was acknowledged is on the replica, and what the replica does not have is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_replicas_have_acknowledged_survives_a_failover() {
    let servers = spawn_blocking(|| {
        let primary = Server::start()?;
        let replica = Server::replica_of(&primary);
        Some((primary, replica))
    });
    let Some((mut primary, replica)) = servers.await.unwrap() else { return };
    let waits = "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()";
    primary.run(waits).await;
    let url = format!(
        "postgres://curfew@127.0.0.1:{},127.0.0.1:{}/postgres?application_name=site",
        primary.port(),
        replica.port()
    );
    let options = PostgresStore::options(url).without_clock_check().acknowledged_by(1);
    let store = options.clone().connect().await.unwrap();
    for number in 0..50 {
        stored(&store, record(number, "ada", &[])).await;
    }

    // While the replica hangs nothing is acknowledged, not even what was made before and asked again.
    replica.freeze();
    let new = Arc::new(record(99, "bob", &[]));
    let wait = async |time, record: &Arc<_>| {
        tokio::time::timeout(time, store.insert(Arc::clone(record), None)).await
    };
    assert!(wait(Duration::from_secs(1), &new).await.is_err(), "nobody has acknowledged it");
    let commits =
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    primary.run(commits).await;
    eventually("a commit that did not wait", async || store.load(id(99)).await.unwrap().is_some())
        .await;
    assert!(wait(Duration::from_secs(1), &new).await.is_err(), "it is there, but only here");
    replica.thaw();
    let done = async || matches!(store.insert(new.clone(), None).await, Ok(Inserted::Done));
    eventually("the replica to have it", done).await;

    // A connection that is opened later looks again. Whoever reads needs no replica.
    primary.run("ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()").await;
    let cut =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'site'";
    primary.run(cut).await;
    let last = Arc::new(record(100, "bob", &[]));
    let error = chain(&store.insert(last.clone(), None).await.unwrap_err());
    assert!(error.contains("synchronous_standby_names demand as many"), "{error}");
    assert!(store.load(id(0)).await.unwrap().is_some());

    let replica = spawn_blocking(move || {
        primary.kill();
        replica.promote();
        replica
    })
    .await
    .unwrap();
    let client = replica.client().await;
    let count = "SELECT count(*) FROM curfew_sessions";
    assert_eq!(client.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 51);
}
