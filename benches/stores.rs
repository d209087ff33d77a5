//! What a request costs over each store, beside a bare read of the same server: `GET`, and `SELECT`
//! by key, both over one pipelined connection.
//!
//! ```text
//! export CURFEW_TEST_REDIS=redis://127.0.0.1:6379/
//! export CURFEW_TEST_POSTGRES=postgres://user@127.0.0.1/database
//! cargo bench --manifest-path benches/Cargo.toml --bench stores
//! ```
//!
//! It prints the median of each, and its ratio to the bare read in the same run. The cases take
//! turns, so that a machine that grows slower does so for all of them. One server that is not named
//! is left out.

use std::env;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use redis::AsyncCommands;
use tower::ServiceExt;
use tower_curfew::store::{
    MemoryStore, PostgresStore, RedisStore, SqliteStore, Store,
};
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, Session};

type Call = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Something to measure. The first of several is what the others are compared with.
struct Case {
    name: String,
    call: Call,
}

fn case<F>(name: impl ToString, call: impl Fn() -> F + Send + Sync + 'static) -> Case
where
    F: Future<Output = ()> + Send + 'static,
{
    Case { name: name.to_string(), call: Box::new(move || Box::pin(call())) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = env::temp_dir().join(format!("curfew-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");

    compare(cases("memory", MemoryStore::new(), None).await).await;
    let sqlite = SqliteStore::open(folder.join("sessions.db")).await.expect("a file");
    compare(cases("SQLite", sqlite, None).await).await;
    if let Ok(url) = env::var("CURFEW_TEST_REDIS") {
        let store = RedisStore::options(&url).key_prefix("bench:").connect().await;
        let bare = bare_get(&url).await;
        compare(cases("Redis", store.expect("a server"), Some(bare)).await).await;
    }
    if let Ok(url) = env::var("CURFEW_TEST_POSTGRES") {
        let store = PostgresStore::options(&url).schema("bench").connect().await;
        let bare = bare_select(&url).await;
        compare(cases("PostgreSQL", store.expect("a server"), Some(bare)).await).await;
    }
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

/// A read of the store, and a whole request, without and with an organisation.
async fn cases(name: &str, store: impl Store + Clone, bare: Option<Case>) -> Vec<Case> {
    let mut cases = Vec::from_iter(bare);
    let keyring = Keyring::from_bytes([7; 32]).expect("32 bytes");
    let curfew = Curfew::builder(store.clone(), keyring).build().expect("defaults");
    let app = Router::new()
        .route("/", get(async |session: Session| session.user().to_owned()))
        .layer(curfew.layer());
    for orgs in [&[][..], &["acme"]] {
        let new = NewSession::for_user("ada").orgs(orgs);
        let cookie = curfew.start(new, &ClientInfo::for_tests()).await.expect("a store");
        let cookie = cookie.request_header();
        let id = curfew.list("ada").await.expect("a store")[0].id();
        let with = if orgs.is_empty() { "no organisation" } else { "an organisation" };

        let reads = store.clone();
        cases.push(case(format!("{name}: load, {with}"), move || {
            let store = reads.clone();
            async move { assert!(store.load(id).await.expect("a store").is_some()) }
        }));
        let app = app.clone();
        cases.push(case(format!("{name}: whole request, {with}"), move || {
            let request = Request::get("/").header(header::COOKIE, cookie.clone());
            let request = request.body(Body::empty()).expect("a request");
            let app = app.clone();
            async move {
                let Ok(response) = app.oneshot(request).await;
                assert_eq!(response.status(), StatusCode::OK);
                black_box(response);
            }
        }));
    }
    cases
}

async fn bare_get(url: &str) -> Case {
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a server");
    let () = connection.set("bench:bare", vec![b'x'; 300]).await.expect("a server");
    case("bare GET", move || {
        let mut connection = connection.clone();
        async move {
            let value: Vec<u8> = connection.get("bench:bare").await.expect("a server");
            black_box(value);
        }
    })
}

async fn bare_select(url: &str) -> Case {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a server");
    tokio::spawn(connection);
    let table = "CREATE SCHEMA IF NOT EXISTS bench; DROP TABLE IF EXISTS bench.bare; \
                 CREATE TABLE bench.bare (id bytea PRIMARY KEY, value text NOT NULL); \
                 INSERT INTO bench.bare VALUES ('\\x01', repeat('x', 300))";
    client.batch_execute(table).await.expect("a server");
    let select = "SELECT id, value FROM bench.bare WHERE id = $1";
    let select = client.prepare(select).await.expect("a server");
    let client = std::sync::Arc::new(client);
    case("bare SELECT", move || {
        let (client, select) = (client.clone(), select.clone());
        async move {
            let row = client.query_one(&select, &[&&[1_u8][..]]).await.expect("a server");
            black_box(row.get::<_, &str>(1));
        }
    })
}

const TURNS: usize = 40;
const CALLS: usize = 250;

async fn compare(cases: Vec<Case>) {
    let mut times = vec![Vec::with_capacity(TURNS * CALLS); cases.len()];
    for turn in 0..=TURNS {
        for (case, times) in cases.iter().zip(&mut times) {
            for _ in 0..CALLS {
                let began = Instant::now();
                (case.call)().await;
                // The first turn warms up.
                if turn > 0 {
                    times.push(began.elapsed());
                }
            }
        }
    }
    let rates = rates(&cases).await;
    let medians: Vec<_> = times.into_iter().map(median).collect();
    for ((case, median), rate) in cases.iter().zip(&medians).zip(rates) {
        let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
        let micros = median.as_secs_f64() * 1e6;
        println!("{:<38} {micros:>7.1} µs  x{ratio:.2}  {rate:>8.0} a second", case.name);
    }
    println!();
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// How many a second there are with 64 under way.
async fn rates(cases: &[Case]) -> Vec<f64> {
    let mut rates = Vec::new();
    for case in cases {
        let began = Instant::now();
        for _ in 0..300 {
            let calls = (0..64).map(|_| (case.call)());
            for call in calls.map(tokio::spawn).collect::<Vec<_>>() {
                call.await.expect("it does not panic");
            }
        }
        rates.push(300.0 * 64.0 / began.elapsed().as_secs_f64());
    }
    rates
}
