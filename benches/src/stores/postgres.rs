//! Sessions in PostgreSQL, beside a prepared `SELECT` on the same table over as many connections.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_postgres::{Client, NoTls, Statement};
use tower_curfew::store::PostgresStore;
use tower_sessions_sqlx_store::sqlx::PgPool;

use super::{BARE, Bench, SignedIn, ours, theirs};
use crate::report::Report;
use crate::turns::{Case, case};

/// By default the store reads over so many.
const READERS: usize = 2;

const SCHEMA: &str = "curfew_bench";
const THEIR_SCHEMA: &str = "curfew_bench_peer";

pub fn measure(bench: &Bench<'_>, report: &mut Report, url: &str) {
    bench.runtime.block_on(clear(url));
    let cases = bench.runtime.block_on(cases(url));
    bench.compare(report, "PostgreSQL", cases);
    bench.runtime.block_on(clear(url));
}

async fn cases(url: &str) -> Vec<Case> {
    let store = PostgresStore::options(url).schema(SCHEMA).connect().await.expect("a server");
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(Arc::new(reader(url).await));
    }
    let mut cases = ours(store, |signed_in| vec![bare(readers, signed_in)]).await;
    let pool = PgPool::connect(url).await.expect("a server");
    let store = tower_sessions_sqlx_store::PostgresStore::new(pool)
        .with_schema_name(THEIR_SCHEMA)
        .expect("a name");
    store.migrate().await.expect("a table");
    cases.push(theirs(store).await);
    cases
}

async fn reader(url: &str) -> (Client, Statement) {
    let client = connected(url).await;
    let select = format!("SELECT body FROM {SCHEMA}.curfew_sessions WHERE id = $1");
    let select = client.prepare(&select).await.expect("a table");
    (client, select)
}

fn bare(readers: Vec<Arc<(Client, Statement)>>, SignedIn { id }: SignedIn) -> Case {
    let next = AtomicUsize::new(0);
    case(BARE, move |_| {
        let reader = readers[next.fetch_add(1, Ordering::Relaxed) % readers.len()].clone();
        async move {
            let (client, select) = &*reader;
            let row = client.query_one(select, &[&&id.as_bytes()[..]]).await;
            black_box(row.expect("a row").get::<_, &[u8]>(0));
        }
    })
}

async fn connected(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
    tokio::spawn(connection);
    client
}

/// Drops what was measured, also by a run that was stopped.
async fn clear(url: &str) {
    let drop = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE");
    let theirs = format!("DROP SCHEMA IF EXISTS {THEIR_SCHEMA} CASCADE");
    connected(url).await.batch_execute(&format!("{drop}; {theirs}")).await.expect("they are ours");
}
