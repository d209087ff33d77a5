//! The connections of the PostgreSQL store beside a pool of deadpool-postgres: the same statements over
//! as many connections. With `CURFEW_TEST_POSTGRES_POOLER`, the URL of a PgBouncer before the same
//! server, the store goes through that too.

use std::env;
use std::hint::black_box;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use deadpool_postgres::{Manager, Pool};
use tokio::runtime::Builder;
use tokio_postgres::NoTls;
use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{Inserted, PostgresStore, Record, Replaced, SecretHash, Store};

use crate::report::Report;
use crate::settings::{Server, Settings};
use crate::turns::{COLUMNS, Case, Turns, UNDER_WAY, case};

const SCHEMA: &str = "curfew_bench_pools";
const CONNECTIONS: usize = 4;

const LOAD: &str = "SELECT (SELECT body FROM curfew_bench_pools.curfew_sessions WHERE id = $1), \
                    rules FROM curfew_bench_pools.curfew_schema";
const TOUCH: &str = "WITH replaced AS (UPDATE curfew_bench_pools.curfew_sessions \
                     SET revision = $3, last_seen = $4, ended_at = $5, ended_reason = $6, \
                     purge_after = $7, body = $8, purge_check = least(purge_check, $7) \
                     WHERE id = $1 AND revision = $2 AND ended_at IS NULL RETURNING id) \
                     SELECT count(*) FROM replaced";

pub fn run(settings: &Settings, report: &mut Report) {
    settings.tell_what_is_left_out(report, &[Server::Postgres]);
    let Some(url) = &settings.postgres else { return };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Of a run that was stopped.
    runtime.block_on(clear(url));
    let (loads, touches) = runtime.block_on(cases(url));
    for (what, cases) in [("loads", loads), ("touches", touches)] {
        let turns = Turns::of(settings, &runtime, cases);
        let columns = Vec::from_iter([what].into_iter().chain(COLUMNS));
        report.table(&columns, &turns.rows(POOL));
    }
    report.text(&format!("Ratios are to `{POOL}`."));
    runtime.block_on(clear(url));
}

async fn clear(url: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
    tokio::spawn(connection);
    let drop_schema = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE");
    client.batch_execute(&drop_schema).await.expect("it is ours");
}

/// Loads, and touches.
async fn cases(url: &str) -> (Vec<Case>, Vec<Case>) {
    let own = PostgresStore::options(url).schema(SCHEMA).connections(CONNECTIONS);
    let own = own.without_clock_check().connect().await.expect("a server");
    let manager = Manager::new(url.parse().expect("a URL"), NoTls);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build().expect("a pool");
    let over_pool = PostgresStore::options_with_pool(pool.clone()).schema(SCHEMA);
    let over_pool = over_pool.without_clock_check().connect().await.expect("a server");
    let mut stores =
        vec![("the store's own connections", own), ("the store over that pool", over_pool)];
    if let Ok(pooler) = env::var("CURFEW_TEST_POSTGRES_POOLER") {
        let behind = PostgresStore::options(pooler).schema(SCHEMA).connections(CONNECTIONS);
        let behind = behind.through_pooler().without_clock_check().connect();
        stores.push(("the store through a pooler", behind.await.expect("a pooler")));
    }
    let (mut loads, mut touches) = (Vec::new(), Vec::new());
    let sessions = People::signed_in(&stores[0].1).await;
    let (lent, people) = (pool.clone(), sessions.clone());
    loads.push(case(POOL, move |caller| {
        let (pool, id) = (lent.clone(), people.id(caller));
        async move {
            let client = pool.get().await.expect("a connection");
            let load = client.prepare_cached(LOAD).await.expect("a table");
            let rows = client.query(&load, &[&&id.as_bytes()[..]]).await.expect("a server");
            let record = Record::decode(rows[0].get(0)).expect("a record");
            black_box((record, rows[0].get::<_, i64>(1)));
        }
    }));
    let (lent, people) = (pool.clone(), sessions.clone());
    touches.push(case(POOL, move |caller| {
        let (pool, next) = (lent.clone(), people.next(caller));
        async move {
            let client = pool.get().await.expect("a connection");
            let touch = client.prepare_cached(TOUCH).await.expect("a table");
            let none = (None::<i64>, None::<&str>);
            let number = |revision: tower_curfew::store::Revision| revision.as_u64().cast_signed();
            let id = next.id();
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
                &&id.as_bytes()[..],
                &number(next.previous()),
                &number(next.revision()),
                &next.last_seen().unix_millis(),
                &none.0,
                &none.1,
                &next.purge_after().unix_millis(),
                &next.encode(),
            ];
            let rows = client.query(&touch, &params).await.expect("a server");
            assert_eq!(rows[0].get::<_, i64>(0), 1);
        }
    }));
    for (name, store) in stores {
        let (of, people) = (store.clone(), sessions.clone());
        loads.push(case(name, move |caller| {
            let (store, id) = (of.clone(), people.id(caller));
            async move { assert!(store.load(id).await.expect("a store").is_some()) }
        }));
        let people = sessions.clone();
        touches.push(case(name, move |caller| {
            let (store, next) = (store.clone(), people.next(caller));
            async move { assert_eq!(store.replace(next).await.expect("a store"), Replaced::Done) }
        }));
    }
    (loads, touches)
}

const POOL: &str = "deadpool-postgres, bare";

/// A person for each caller, and the last record of each.
#[derive(Clone)]
struct People(Arc<Vec<Mutex<Arc<Record>>>>);

impl People {
    async fn signed_in(store: &PostgresStore) -> Self {
        let mut people = Vec::new();
        for number in 0..UNDER_WAY as u8 {
            let (id, hash) = (SessionId::from_bytes([number; 16]), SecretHash::from_bytes([7; 32]));
            let at = Timestamp::from_unix_millis;
            let user = format!("0190a5b2-7c4e-7d10-9f3a-5b6c7d8e9f{number:02x}");
            let record = Record::begin(id, hash, user, at(1000), nonce());
            let record = Arc::new(record.with_purge_after(at(1 << 50)));
            assert_eq!(store.insert(record.clone(), None).await.expect("a store"), Inserted::Done);
            people.push(Mutex::new(record));
        }
        Self(Arc::new(people))
    }

    fn id(&self, caller: usize) -> SessionId {
        self.0[caller].lock().expect("nobody panics").id()
    }

    fn next(&self, caller: usize) -> Arc<Record> {
        static SEEN: AtomicI64 = AtomicI64::new(2000);
        let seen = Timestamp::from_unix_millis(SEEN.fetch_add(1, Ordering::Relaxed));
        let mut last = self.0[caller].lock().expect("nobody panics");
        let next = last.next(nonce()).with_activity(seen);
        *last = Arc::new(next.with_purge_after(Timestamp::from_unix_millis(1 << 50)));
        last.clone()
    }
}

fn nonce() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}
