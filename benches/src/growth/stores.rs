//! Each store, empty at first and cleared away afterwards.

use tokio_postgres::{Client, NoTls};
use tower_curfew::store::{MemoryStore, PostgresStore, RedisStore, SqliteStore};

use super::Counts;
use super::calls::{Figures, Filled, MORE};
use crate::stores::redis::clear;

pub async fn memory(sessions: u64, counts: Counts) -> Figures {
    let store = MemoryStore::with_capacity((sessions + MORE) as usize);
    Filled::with(store, sessions).await.measure(counts).await
}

pub async fn sqlite(sessions: u64, counts: Counts) -> Figures {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(folder.path().join("sessions.db")).await.expect("a file");
    Filled::with(store, sessions).await.measure(counts).await
}

const SCHEMA: &str = "curfew_bench_growth";

pub async fn postgres(url: &str, sessions: u64, counts: Counts) -> Figures {
    let client = connected(url).await;
    let drop = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE");
    client.batch_execute(&drop).await.expect("it is ours");
    let store = PostgresStore::options(url).schema(SCHEMA).connect().await.expect("a server");
    let filled = Filled::with(store, sessions).await;
    // Or the server does so itself, while it is measured.
    let vacuum = format!("VACUUM ANALYZE {SCHEMA}.curfew_sessions");
    client.batch_execute(&vacuum).await.expect("it is ours");
    let figures = filled.measure(counts).await;
    client.batch_execute(&drop).await.expect("it is ours");
    figures
}

async fn connected(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
    tokio::spawn(connection);
    client
}

const PREFIX: &str = "cgrowth:";

pub async fn redis(url: &str, sessions: u64, counts: Counts) -> Figures {
    clear(url, PREFIX).await;
    let store = RedisStore::options(url).prefix(PREFIX).connect().await.expect("a server");
    let figures = Filled::with(store, sessions).await.measure(counts).await;
    clear(url, PREFIX).await;
    figures
}
