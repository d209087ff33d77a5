//! Sessions in a file, beside a prepared statement on the calling thread.

use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tower_curfew::store::SqliteStore;
use tower_sessions_sqlx_store::sqlx::SqlitePool;

use super::{BARE, Bench, SignedIn, ours, theirs};
use crate::report::Report;
use crate::turns::{Case, case};

pub fn measure(bench: &Bench<'_>, report: &mut Report) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases = bench.runtime.block_on(cases(folder.path()));
    bench.compare(report, "SQLite", cases);
}

async fn cases(folder: &Path) -> Vec<Case> {
    let file = folder.join("ours.db");
    let store = SqliteStore::open(&file).await.expect("a file");
    let mut cases = ours(store, |signed_in| vec![bare(&file, signed_in)]).await;
    let url = format!("sqlite://{}?mode=rwc", folder.join("theirs.db").display());
    let pool = SqlitePool::connect(&url).await.expect("a file");
    let store = tower_sessions_sqlx_store::SqliteStore::new(pool);
    store.migrate().await.expect("a table");
    cases.push(theirs(store).await);
    cases
}

fn bare(file: &Path, SignedIn { id }: SignedIn) -> Case {
    let connection = Arc::new(Mutex::new(rusqlite::Connection::open(file).expect("a file")));
    case(BARE, move |_| {
        let connection = connection.clone();
        async move {
            let connection = connection.lock().expect("nobody panics");
            let sql = "SELECT body FROM curfew_sessions WHERE id = ?1";
            let mut select = connection.prepare_cached(sql).expect("a table");
            let id = &id.as_bytes()[..];
            let body: Vec<u8> = select.query_row([id], |row| row.get(0)).expect("a row");
            black_box(body);
        }
    })
}
