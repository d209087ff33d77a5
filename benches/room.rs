//! How much room a session takes: in the memory store by part, with a million of them, and in the
//! others with 100,000.
//!
//! ```text
//! export CURFEW_TEST_REDIS=redis://127.0.0.1:6379/
//! export CURFEW_TEST_POSTGRES=postgres://user@127.0.0.1/database
//! cargo bench --manifest-path benches/Cargo.toml --bench room
//! ```
//!
//! Of the memory store it prints what was asked of the allocator, and by how much the process has
//! grown; of a server that is not named nothing.

use std::collections::hash_map::RandomState;
use std::env;
use std::fs;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use allocation_counter::measure;
use time::Duration;
use tokio::task::JoinSet;
use tower_curfew::Limits;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{
    Inserted, Membership, MemoryStore, PostgresStore, Record, RedisStore, SecretHash, SqliteStore,
    Stamp, Store,
};
use tower_curfew::{ClientDetails, SessionId};

const SESSIONS: u64 = 1_000_000;

/// What is known of a session.
#[derive(Clone, Copy)]
struct Facts {
    organization: bool,
    client: bool,
}

/// Random enough to be spread as ids are.
fn random<const BYTES: usize>(number: u64, seed: &RandomState) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (place, chunk) in bytes.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&seed.hash_one((number, place)).to_be_bytes()[..chunk.len()]);
    }
    bytes
}

/// One of many: somebody with a UUID for a name, in one of a thousand organizations, with one of a
/// hundred devices, and an address that hardly anybody else has.
fn record(number: u64, facts: Facts, seed: &RandomState) -> Arc<Record> {
    let created = Timestamp::from_unix_millis(1_700_000_000_000 + number as i64 * 30);
    let user = format!("{:08x}-0000-4000-8000-{number:012x}", seed.hash_one(number) as u32);
    assert_eq!(user.len(), 36);
    let id = SessionId::from_bytes(random(number, seed));
    let hash = SecretHash::from_bytes(random(!number, seed));
    let mut record = Record::begin(id, hash, user, created, number as u32)
        .with_limits(Limits::idle(Duration::days(28)))
        .with_purge_after(created + Duration::days(35));
    if facts.organization {
        let org = format!("organization {}", number % 1000).into();
        let stamp = Stamp { generation: 1, version: 1, known: 1 };
        record = record.with_memberships(vec![Membership { org, stamp, joined: created }]);
    }
    if facts.client {
        let device = format!("Browser {} on an operating system", number % 100).into();
        let address = IpAddr::V4(Ipv4Addr::from_bits(number as u32));
        let mut client = ClientDetails::default();
        (client.device, client.address) = (Some(device), Some(address));
        record = record.with_client(&client);
    }
    Arc::new(record)
}

/// Bytes a session, of what is alive afterwards.
fn each(work: impl FnOnce()) -> f64 {
    measure(work).bytes_current as f64 / SESSIONS as f64
}

/// Pages that the process has in memory, in bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * 4096
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    memory(&runtime);
    println!("bytes a session, with {FEWER} of them");
    runtime.block_on(sqlite());
    if let Ok(url) = env::var("CURFEW_TEST_POSTGRES") {
        runtime.block_on(postgres(&url));
    }
    if let Ok(url) = env::var("CURFEW_TEST_REDIS") {
        runtime.block_on(redis(&url));
    }
}

fn memory(runtime: &tokio::runtime::Runtime) {
    let seed = RandomState::new();
    let alone = Facts { organization: false, client: false };
    let member = Facts { organization: true, ..alone };
    let known = Facts { client: true, ..member };

    let records_alone = |facts| {
        let mut all = Vec::with_capacity(SESSIONS as usize);
        let bytes = each(|| all.extend((0..SESSIONS).map(|number| record(number, facts, &seed))));
        black_box(all);
        bytes
    };
    let stored = |facts| {
        let store = MemoryStore::with_capacity(SESSIONS as usize);
        let before = resident();
        let bytes = each(|| {
            runtime.block_on(async {
                for number in 0..SESSIONS {
                    let filed = store.insert(record(number, facts, &seed), None).await;
                    assert_eq!(filed.expect("there is room"), Inserted::Done);
                }
            });
        });
        let grown = resident().saturating_sub(before) as f64 / SESSIONS as f64;
        drop(store);
        (bytes, grown)
    };

    // What is freed is not given back, so the one whose growth is told comes first.
    let (all, grown) = stored(known);
    let (with_org, _) = stored(member);
    let (bare, _) = stored(alone);
    let record = size_of::<Record>() as f64;
    let user = records_alone(alone) - record;
    println!("bytes a session, with {SESSIONS} of them");
    println!("{record:7.1}  the record itself");
    println!("{user:7.1}  its user, a name of 36 characters, and what counts its owners");
    println!("{:7.1}  finding it: by id, by user, by when it is due", bare - user - record);
    println!("{:7.1}  an organization: the membership, and finding it by that", with_org - bare);
    println!("{:7.1}  device and address", all - with_org);
    println!("{all:7.1}  in all");
    println!("{grown:7.1}  by which the process has grown");
}

const FEWER: u64 = 100_000;

async fn fill(store: impl Store + Clone) {
    let seed = RandomState::new();
    let facts = Facts { organization: true, client: true };
    // Some at once, as on a busy day, or each would wait for the disk alone.
    for first in (0..FEWER).step_by(100) {
        let mut under_way = JoinSet::new();
        for number in first..first + 100 {
            let (store, record) = (store.clone(), record(number, facts, &seed));
            under_way.spawn(async move { store.insert(record, None).await });
        }
        for filed in under_way.join_all().await {
            assert_eq!(filed.expect("there is room"), Inserted::Done);
        }
    }
}

async fn sqlite() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("sessions.db");
    fill(SqliteStore::open(&file).await.expect("a file")).await;
    let database = rusqlite::Connection::open(&file).expect("a file");
    // Its log is as long as it may become, however many there are.
    let mut written = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").expect("SQL");
    let _ = written.query(()).expect("SQL").next();
    let bytes = fs::metadata(&file).expect("a file").len();
    println!("{:7.1}  SQLite", bytes as f64 / FEWER as f64);
}

async fn postgres(url: &str) {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a server");
    tokio::spawn(connection);
    let options = PostgresStore::options(url).schema("curfew_room").without_clock_check();
    let store = options.connect().await.expect("a server");
    fill(store.clone()).await;
    let size = "SELECT sum(pg_total_relation_size(oid))::float8, sum(pg_indexes_size(oid))::float8 \
                FROM pg_class WHERE relnamespace = 'curfew_room'::regnamespace AND relkind = 'r'";
    let row = client.query_one(size, &[]).await.expect("SQL");
    let [all, indexes] = [0, 1].map(|column| row.get::<_, f64>(column) / FEWER as f64);
    println!("{all:7.1}  PostgreSQL, of which {indexes:.1} are indexes");
    drop(store);
    client.batch_execute("DROP SCHEMA curfew_room CASCADE").await.expect("SQL");
}

async fn redis(url: &str) {
    let client = redis::Client::open(url).expect("an address");
    let mut raw = client.get_multiplexed_async_connection().await.expect("a server");
    let mut used = async || {
        let info: String =
            redis::cmd("INFO").arg("memory").query_async(&mut raw).await.expect("INFO");
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.trim().parse::<f64>().ok()).expect("a number")
    };
    let before = used().await;
    let options = RedisStore::options(url).prefix("room:").without_clock_check();
    fill(options.connect().await.expect("a server")).await;
    println!("{:7.1}  Redis", (used().await - before) / FEWER as f64);
    let keys: Vec<Vec<u8>> =
        redis::cmd("KEYS").arg("room:*").query_async(&mut raw).await.expect("KEYS");
    let _: u64 = redis::cmd("DEL").arg(keys).query_async(&mut raw).await.expect("DEL");
}
