//! Sessions in a file and on servers.

use std::fs;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tower_curfew::clock::{Clock as _, SystemClock};
use tower_curfew::store::{Inserted, PostgresStore, RedisStore, SqliteStore, Store};

use crate::records::{Facts, Records};
use crate::report::Report;
use crate::settings::Settings;

const SCHEMA: &str = "curfew_bench_room";
/// As long as the one by default.
const PREFIX: &str = "croom:_";

pub fn measure(settings: &Settings, runtime: &Runtime, report: &mut Report) {
    let sessions = settings.count(100_000, 2_000) as u64;
    let mut rows = vec![runtime.block_on(sqlite(sessions))];
    if let Some(url) = &settings.postgres {
        rows.push(runtime.block_on(postgres(url, sessions)));
    }
    if let Some(url) = &settings.redis {
        rows.push(runtime.block_on(redis(url, sessions)));
    }
    report.heading("tower-curfew in a file and on servers");
    report.table(&["store", "bytes a session", "of which indexes"], &rows);
    report.text(&format!(
        "With {sessions} sessions, each with a user, an organization, a device and an address. Of Redis \
         it is the memory that it says it uses, with entries of indexes."
    ));
}

/// Signed in one after the other, as they are in an app: what is filed in bulk may lie closer.
async fn fill(store: impl Store + Clone, sessions: u64) {
    let records = Records::new(SystemClock.now(), 1);
    // Some at once, as on a busy day, or each would wait for the disk alone.
    for first in (0..sessions).step_by(100) {
        let mut under_way = JoinSet::new();
        for number in first..first + 100 {
            let (store, record) = (store.clone(), Arc::new(records.record(number, Facts::ALL)));
            under_way.spawn(async move { store.insert(record, None).await });
        }
        for filed in under_way.join_all().await {
            assert_eq!(filed.expect("there is room"), Inserted::Done);
        }
    }
}

fn row(store: &str, all: f64, indexes: Option<f64>) -> Vec<String> {
    let indexes = indexes.map_or_else(String::new, |indexes| format!("{indexes:.1}"));
    vec![store.to_owned(), format!("{all:.1}"), indexes]
}

async fn sqlite(sessions: u64) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("sessions.db");
    fill(SqliteStore::open(&file).await.expect("a file"), sessions).await;
    let database = rusqlite::Connection::open(&file).expect("a file");
    // Its log is as long as it may become, however many there are.
    let mut written = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").expect("SQL");
    let _ = written.query(()).expect("SQL").next();
    let bytes = fs::metadata(&file).expect("a file").len();
    row("SQLite", bytes as f64 / sessions as f64, None)
}

async fn postgres(url: &str, sessions: u64) -> Vec<String> {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a server");
    tokio::spawn(connection);
    let drop_schema = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE");
    client.batch_execute(&drop_schema).await.expect("it is ours");
    let store = PostgresStore::options(url)
        .schema(SCHEMA)
        .without_clock_check()
        .connect()
        .await
        .expect("a server");
    fill(store.clone(), sessions).await;
    let size = format!(
        "SELECT sum(pg_total_relation_size(oid))::float8, sum(pg_indexes_size(oid))::float8 \
         FROM pg_class WHERE relnamespace = '{SCHEMA}'::regnamespace AND relkind = 'r'"
    );
    let sizes = client.query_one(&size, &[]).await.expect("SQL");
    let [all, indexes] = [0, 1].map(|column| sizes.get::<_, f64>(column) / sessions as f64);
    drop(store);
    client.batch_execute(&drop_schema).await.expect("it is ours");
    row("PostgreSQL", all, Some(indexes))
}

async fn redis(url: &str, sessions: u64) -> Vec<String> {
    let client = redis::Client::open(url).expect("an address");
    let mut raw = client.get_multiplexed_async_connection().await.expect("a server");
    let mut used = async || {
        let info: String =
            redis::cmd("INFO").arg("memory").query_async(&mut raw).await.expect("INFO");
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.trim().parse::<f64>().ok()).expect("a number")
    };
    let before = used().await;
    let store = RedisStore::options(url)
        .prefix(PREFIX)
        .without_clock_check()
        .connect()
        .await
        .expect("a server");
    fill(store, sessions).await;
    let bytes = (used().await - before) / sessions as f64;
    crate::stores::redis::clear(url, PREFIX).await;
    row("Redis", bytes, None)
}
