//! What a request costs over each store, beside a bare read of the same data and beside tower-sessions
//! over its own store: whole requests through an axum app, in this process, one and 64 under way.
//!
//! ```text
//! export CURFEW_TEST_REDIS=redis://127.0.0.1:6379/
//! export CURFEW_TEST_POSTGRES=postgres://user@127.0.0.1/database
//! cargo bench --manifest-path benches/Cargo.toml --bench stores
//! ```
//!
//! A server that is not named is left out; `-- redis` at the end runs that store alone, and `-- near` a cache
//! in front of Redis beside memory. The cases take turns, many times, so that a machine that grows slower
//! does so for all of them; what is printed is the median of all turns, and ratios are taken turn by turn.
//! Processor time is that of this process, without the server's.

use std::env;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::routing::get;
use cpu_time::ProcessTime;
use redis::AsyncCommands;
use tokio_postgres::NoTls;
use tower::ServiceExt;
use tower_curfew::SessionId;
use tower_curfew::store::{MemoryStore, Near, PostgresStore, RedisStore, SqliteStore, Store};
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, Session};
use tower_sessions::cookie::Key;
use tower_sessions::{Expiry, SessionManagerLayer, SessionStore};
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};
use tower_sessions_sqlx_store::sqlx;

type Call = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

struct Case {
    name: &'static str,
    call: Call,
}

fn case<F>(name: &'static str, call: impl Fn() -> F + Send + Sync + 'static) -> Case
where
    F: Future<Output = ()> + Send + 'static,
{
    Case { name, call: Arc::new(move || Box::pin(call())) }
}

impl Case {
    fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Cargo adds `--bench`.
    let named = env::args().skip(1).filter(|name| name != "--bench").collect::<Vec<_>>();
    let is_wanted = |store: &str| named.is_empty() || named.iter().any(|name| name == store);
    if is_wanted("memory") {
        memory().await;
    }
    if is_wanted("sqlite") {
        let folder = tempfile::tempdir().expect("a temporary folder");
        sqlite(folder.path()).await;
    }
    if is_wanted("redis")
        && let Ok(url) = env::var("CURFEW_TEST_REDIS")
    {
        redis(&url).await;
    }
    if is_wanted("near")
        && let Ok(url) = env::var("CURFEW_TEST_REDIS")
    {
        near(&url).await;
    }
    if is_wanted("postgres")
        && let Ok(url) = env::var("CURFEW_TEST_POSTGRES")
    {
        postgres(&url).await;
    }
}

async fn memory() {
    let mut cases = ours(MemoryStore::new(), &|_| Vec::new()).await;
    cases.push(theirs(tower_sessions::MemoryStore::default()).await);
    compare("memory", cases).await;
}

async fn sqlite(folder: &std::path::Path) {
    let file = folder.join("ours.db");
    let store = SqliteStore::open(&file).await.expect("a file");
    let connection = Arc::new(std::sync::Mutex::new(rusqlite::Connection::open(file).unwrap()));
    let bare = |id: SessionId| {
        let connection = connection.clone();
        vec![case(BARE, move || {
            let connection = connection.clone();
            async move {
                let connection = connection.lock().unwrap();
                let sql = "SELECT body FROM curfew_sessions WHERE id = ?1";
                let mut select = connection.prepare_cached(sql).unwrap();
                let id = &id.as_bytes()[..];
                let body: Vec<u8> = select.query_row([id], |row| row.get(0)).unwrap();
                black_box(body);
            }
        })]
    };
    let mut cases = ours(store, &bare).await;
    let url = format!("sqlite://{}?mode=rwc", folder.join("theirs.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("a file");
    let store = tower_sessions_sqlx_store::SqliteStore::new(pool);
    store.migrate().await.expect("a table");
    cases.push(theirs(store).await);
    compare("SQLite", cases).await;
}

async fn redis(url: &str) {
    let store = RedisStore::options(url).prefix(REDIS_PREFIX).connect();
    let store = store.await.expect("a server");
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a server");
    let bare = |id: SessionId| {
        let key = [REDIS_PREFIX.as_bytes(), b"session:", id.as_bytes()].concat();
        let connection = connection.clone();
        vec![case(BARE, move || {
            let (mut connection, key) = (connection.clone(), key.clone());
            async move {
                let value: Vec<u8> = connection.get(key).await.expect("a server");
                assert!(!black_box(value).is_empty());
            }
        })]
    };
    let mut cases = ours(store, &bare).await;
    let config = Config::from_url(url).expect("a URL");
    // As many connections as its documentation shows.
    let pool = Pool::new(config, None, None, None, 6).expect("a pool");
    pool.connect();
    pool.wait_for_connect().await.expect("a server");
    cases.push(theirs(tower_sessions_redis_store::RedisStore::new(pool)).await);
    compare("Redis", cases).await;
    let keys: Vec<Vec<u8>> = connection.keys(format!("{REDIS_PREFIX}*")).await.expect("a server");
    let () = connection.del(keys).await.expect("a server");
}

/// What a cache in front of a server costs, beside memory alone: neither asks anybody.
async fn near(url: &str) {
    let store = RedisStore::options(url).prefix(NEAR_PREFIX).connect();
    let store = store.await.expect("a server").near(Near::default());
    let (over_memory, _) = app(MemoryStore::new()).await;
    let (near, _) = app(store).await;
    compare("near", vec![over_memory.named(MEMORY), near.named(NEAR)]).await;
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a server");
    let keys: Vec<Vec<u8>> = connection.keys(format!("{NEAR_PREFIX}*")).await.expect("a server");
    let () = connection.del(keys).await.expect("a server");
}

const NEAR_PREFIX: &str = "curfew-bench-near:";
const MEMORY: &str = "tower-curfew over memory";
const NEAR: &str = "tower-curfew near Redis";

const REDIS_PREFIX: &str = "curfew-bench:";

async fn postgres(url: &str) {
    let store = PostgresStore::options(url).schema("curfew_bench").connect();
    let store = store.await.expect("a server");
    let mut clients = Vec::new();
    // As many as the store reads over.
    for _ in 0..2 {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
        tokio::spawn(connection);
        let select = "SELECT body FROM curfew_bench.curfew_sessions WHERE id = $1";
        let select = client.prepare(select).await.expect("a table");
        clients.push(Arc::new((client, select)));
    }
    let bare = |id: SessionId| {
        let (clients, next) = (clients.clone(), AtomicUsize::new(0));
        vec![case(BARE, move || {
            let client = clients[next.fetch_add(1, Ordering::Relaxed) % clients.len()].clone();
            async move {
                let (client, select) = &*client;
                let row = client.query_one(select, &[&&id.as_bytes()[..]]).await;
                black_box(row.expect("a row").get::<_, &[u8]>(0));
            }
        })]
    };
    let mut cases = ours(store, &bare).await;
    let pool = sqlx::PgPool::connect(url).await.expect("a server");
    let store = tower_sessions_sqlx_store::PostgresStore::new(pool)
        .with_schema_name("curfew_bench_peer")
        .expect("a name");
    store.migrate().await.expect("a table");
    cases.push(theirs(store).await);
    compare("PostgreSQL", cases).await;
    let drop = "DROP SCHEMA curfew_bench CASCADE; DROP SCHEMA curfew_bench_peer CASCADE";
    clients[0].0.batch_execute(drop).await.expect("the schemas are ours");
}

const BARE: &str = "a bare read of the record";
const OURS: &str = "tower-curfew, whole request";
const PEER: &str = "tower-sessions, whole request";

/// A bare read, a load, and whole requests, of a person in an organization.
async fn ours(
    store: impl Store + Clone,
    bare: &(dyn Fn(SessionId) -> Vec<Case> + Sync),
) -> Vec<Case> {
    let (request, id) = app(store.clone()).await;
    let mut cases = bare(id);
    cases.push(case("tower-curfew, load", move || {
        let store = store.clone();
        async move {
            assert!(store.load(id).await.expect("a store").is_some());
        }
    }));
    cases.push(request);
    cases
}

/// Whole requests of that person, and their session.
async fn app(store: impl Store) -> (Case, SessionId) {
    let keyring = Keyring::from_bytes([7; 32]).expect("32 bytes");
    let curfew = Curfew::builder(store, keyring).build().expect("defaults");
    let new = NewSession::for_user(USER).orgs(["acme"]);
    let cookie = curfew.start(new, &ClientInfo::for_tests()).await.expect("a store");
    let id = curfew.list(USER).await.expect("a store")[0].id();
    let app = Router::new()
        .route("/", get(async |session: Session| session.user().to_owned()))
        .layer(curfew.layer());
    (whole_request(OURS, app, cookie.request_header()), id)
}

/// Whole requests of the same person with tower-sessions, its cookie signed, and no activity to record.
async fn theirs(store: impl SessionStore + Clone) -> Case {
    let layer = SessionManagerLayer::new(store)
        .with_signed(Key::from(&[7; 64]))
        .with_expiry(Expiry::OnInactivity(time::Duration::days(28)));
    let sign_in = get(async |session: tower_sessions::Session| {
        session.insert("user", USER).await.expect("a store");
        session.insert("org", "acme").await.expect("a store");
    });
    let whoami = get(async |session: tower_sessions::Session| {
        session.get::<String>("user").await.expect("a store").expect("somebody")
    });
    let app = Router::new().route("/", whoami).route("/sign-in", sign_in).layer(layer);
    let request = Request::get("/sign-in").body(Body::empty()).expect("a request");
    let Ok(response) = app.clone().oneshot(request).await;
    let cookie = response.headers()[header::SET_COOKIE].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a pair").parse().expect("a header");
    whole_request(PEER, app, cookie)
}

const USER: &str = "0190a5b2-7c4e-7d10-9f3a-5b6c7d8e9f01";

fn whole_request(name: &'static str, app: Router, cookie: HeaderValue) -> Case {
    case(name, move || {
        let request = Request::get("/").header(header::COOKIE, cookie.clone());
        let request = request.body(Body::empty()).expect("a request");
        let app = app.clone();
        async move {
            let Ok(response) = app.oneshot(request).await;
            assert_eq!(response.status(), StatusCode::OK);
            black_box(response);
        }
    })
}

/// What one turn of a case took.
#[derive(Clone, Copy)]
struct Turn {
    /// Seconds of a call while no other is under way: the median.
    alone: f64,
    /// Calls a second while so many are under way.
    rate: f64,
    /// Seconds of this process' processors for each of those.
    cpu: f64,
}

const TURNS: usize = 15;
const ALONE: usize = 1000;
const UNDER_WAY: usize = 64;
const CALLS: usize = 200;

impl Turn {
    async fn of(case: &Case) -> Self {
        let mut times = Vec::with_capacity(ALONE);
        for _ in 0..ALONE {
            let began = Instant::now();
            (case.call)().await;
            times.push(began.elapsed().as_secs_f64());
        }
        let (began, cpu) = (Instant::now(), ProcessTime::now());
        let callers = (0..UNDER_WAY).map(|_| {
            let call = case.call.clone();
            tokio::spawn(async move {
                for _ in 0..CALLS {
                    call().await;
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.expect("no call panics");
        }
        let calls = (UNDER_WAY * CALLS) as f64;
        let (rate, cpu) = (calls / began.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
        Self { alone: median(times), rate, cpu: cpu / calls }
    }
}

async fn compare(store: &str, cases: Vec<Case>) {
    let mut turns = vec![Vec::with_capacity(TURNS); cases.len()];
    for number in 0..=TURNS {
        for (case, turns) in cases.iter().zip(&mut turns) {
            let turn = Turn::of(case).await;
            // The first one warms up.
            if number > 0 {
                turns.push(turn);
            }
        }
    }
    println!("{store:<32}   one alone      64 under way, each");
    for (case, turns) in cases.iter().zip(&turns) {
        let of = |part: fn(&Turn) -> f64| median(turns.iter().map(part).collect());
        let (alone, cpu) = (of(|turn| turn.alone) * 1e6, of(|turn| turn.cpu) * 1e6);
        let rate = of(|turn| turn.rate);
        println!("{:<32} {alone:>8.1} µs {rate:>9.0}/s {cpu:>7.2} µs of CPU", case.name);
    }
    let place = |name| cases.iter().position(|case| case.name == name);
    let ratio = |what: &str, one: Option<usize>, other: Option<usize>| {
        let (Some(one), Some(other)) = (one, other) else { return };
        let of = |part: fn(&Turn) -> f64| {
            let pairs = turns[one].iter().zip(&turns[other]);
            median(pairs.map(|(one, other)| part(one) / part(other)).collect())
        };
        let (rate, cpu) = (of(|turn| turn.rate), of(|turn| turn.cpu));
        let pairs = turns[one].iter().zip(&turns[other]);
        let more = median(pairs.map(|(one, other)| one.alone - other.alone).collect()) * 1e9;
        println!(
            "{what}: {rate:.2} times as many a second, {cpu:.2} of the CPU; alone {more:.0} ns more"
        );
    };
    ratio("load against a bare read", place("tower-curfew, load"), place(BARE));
    ratio("whole request against tower-sessions", place(OURS), place(PEER));
    ratio("near against memory", place(NEAR), place(MEMORY));
    println!();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
