//! A schema of a test's own, and what to put into it.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_postgres::{Client, NoTls};
use tower_curfew::clock::{Clock as _, SystemClock, Timestamp};
use tower_curfew::store::{
    Inserted, Key, Listed, Membership, OrgRules, Page, PostgresOptions, PostgresStore, Record,
    Replaced, SecretHash, Stamp, Store, StoreError,
};
use tower_curfew::{ClientDetails as Device, Ended, SessionId};

pub(super) struct Schema {
    pub(super) url: String,
    pub(super) name: String,
    pub(super) client: Client,
}

impl Schema {
    /// `None` if there is no server; then it says so.
    pub(super) async fn new() -> Option<Self> {
        let url = setting("CURFEW_TEST_POSTGRES")?;
        let client = connect(&url).await;
        let name = client
            .query_one("SELECT 'curfew_test_' || replace(gen_random_uuid()::text, '-', '_')", &[])
            .await
            .unwrap()
            .get::<_, String>(0)[..30]
            .to_owned();
        Some(Self { url, name, client })
    }

    /// Each store has its connections under this name.
    pub(super) fn options(&self) -> PostgresOptions {
        self.options_at(&with(&self.url, &format!("application_name={}", self.name)))
    }

    /// As another role, say, or on another way.
    pub(super) fn options_at(&self, url: &str) -> PostgresOptions {
        PostgresStore::options(url).schema(&self.name).without_clock_check()
    }

    pub(super) async fn store(&self) -> PostgresStore {
        self.options().connect().await.unwrap()
    }

    pub(super) fn table(&self, name: &str) -> String {
        format!("{}.curfew_{name}", self.name)
    }

    pub(super) async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// How many rows there are in a table.
    pub(super) async fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {}", self.table(table))).await
    }

    /// How many connections the stores have.
    pub(super) async fn connections(&self) -> i64 {
        self.connections_where("true").await
    }

    pub(super) async fn connections_where(&self, condition: &str) -> i64 {
        let name = &self.name;
        self.number(&format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE application_name = '{name}' AND {condition}"
        ))
        .await
    }

    /// Their processes on the server.
    pub(super) async fn processes(&self) -> BTreeSet<i32> {
        let name = &self.name;
        let sql = format!("SELECT pid FROM pg_stat_activity WHERE application_name = '{name}'");
        self.client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Calls of the stores that wait for a lock: who waits, and since when.
    pub(super) async fn waits(&self) -> BTreeSet<(i32, String)> {
        let name = &self.name;
        let sql = format!(
            "SELECT pid, query_start::text FROM pg_stat_activity \
             WHERE application_name = '{name}' AND wait_event_type = 'Lock'"
        );
        let rows = self.client.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Ends connections of the stores, and says how many.
    pub(super) async fn cut(&self, which: &str) -> i64 {
        let name = &self.name;
        self.number(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = '{name}' AND {which}"
        ))
        .await
    }

    /// Waits until so many calls of the stores wait for a lock.
    pub(super) async fn are_held_up(&self, calls: i64) {
        eventually("calls that wait for a lock", async || {
            self.connections_where("wait_event_type = 'Lock'").await == calls
        })
        .await;
    }

    /// Waits until the stores have no connection any more.
    pub(super) async fn is_left(&self) {
        eventually("no connections", async || self.connections().await == 0).await;
    }

    /// A role for this test, named like the schema, and the connection string for it.
    pub(super) async fn role(&self) -> String {
        let name = &self.name;
        self.run(&format!("CREATE ROLE {name} LOGIN PASSWORD 'tea'")).await;
        with(&self.url, &format!("user={name}&password=tea"))
    }

    pub(super) async fn drop(self) {
        let name = &self.name;
        self.run(&format!("DROP SCHEMA IF EXISTS {name} CASCADE")).await;
        let roles = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{name}'");
        if self.number(&roles).await != 0 {
            self.run(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await;
        }
    }
}

/// What the environment says. If it says nothing, the test says that it is skipped.
pub(super) fn setting(variable: &str) -> Option<String> {
    let value = env::var(variable).ok();
    if value.is_none() {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        say(&format!("{test}: skipped: set {variable}"));
    }
    value
}

/// Not by a macro: what a test prints that way is shown only if it fails.
pub(super) fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Whether counts are to be larger.
pub(super) fn is_long() -> bool {
    env::var_os("CURFEW_LONG").is_some_and(|long| long == "1")
}

pub(super) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The connection string with one more option.
pub(super) fn with(url: &str, option: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{option}")
}

pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Only what hangs takes longer, however busy this machine is.
pub(super) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// The answer, however long others take: a call that finds no connection free for too long has done
/// nothing, and is made again.
pub(super) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match call().await {
            Err(error) if error.to_string().contains("all of its connections are taken") => {}
            answer => return answer,
        }
    }
}

/// Looks again and again until it is so.
pub(super) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "waited in vain for {what}");
}

const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

pub(super) fn id(number: u32) -> SessionId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(bytes)
}

/// No two are the same.
pub(super) fn nonce() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    COUNT.fetch_add(1, Ordering::SeqCst)
}

pub(super) fn memberships(orgs: &[&str]) -> Vec<Membership> {
    let join =
        |org: &&str| Membership { org: (*org).into(), stamp: Stamp::default(), joined: at(1000) };
    orgs.iter().map(join).collect()
}

pub(super) fn record(number: u32, user: &str, orgs: &[&str]) -> Record {
    let mut client = Device::default();
    client.agent = Some("Mozilla/5.0 (X11; Linux)".into());
    began(number, user, at(1000))
        .with_purge_after(at(99_000))
        .with_memberships(memberships(orgs))
        .with_client(&client)
}

pub(super) fn began(number: u32, user: &str, created: Timestamp) -> Record {
    Record::begin(id(number), SecretHash::from_bytes([7; 32]), user, created, nonce())
}

/// One that began at this time, and lasts for a day.
pub(super) fn dated(number: u32, created: Timestamp) -> Record {
    began(number, "ada", created).with_purge_after(created + time::Duration::DAY)
}

/// The next record, with activity at this time.
pub(super) fn active(record: &Record, seen: i64) -> Arc<Record> {
    let next = record.next(nonce()).with_activity(at(seen));
    Arc::new(next.with_purge_after(at(99_000 + seen)))
}

pub(super) fn ended(record: &Record) -> Arc<Record> {
    Arc::new(record.next(nonce()).with_end(Ended::revoked(at(2000))))
}

pub(super) async fn stored(store: &PostgresStore, record: Record) -> Arc<Record> {
    let record = Arc::new(record);
    let inserted = patiently(|| store.insert(record.clone(), None)).await.unwrap();
    assert_eq!(inserted, Inserted::Done);
    record
}

pub(super) async fn replaced(store: &PostgresStore, next: Arc<Record>) -> Arc<Record> {
    assert_eq!(store.replace(next.clone()).await.unwrap(), Replaced::Done);
    next
}

pub(super) async fn listed(store: &PostgresStore, key: &Key) -> Listed {
    store.list(key, Page { after: None, at_most: 1000 }).await.unwrap()
}

/// The first rules of an organization, which outside of the crate only bytes make: their revision, no
/// revocation, and no versions.
pub(super) fn first_rules() -> OrgRules {
    let revision = (1 << 32) | u64::from(nonce());
    let bytes = [&b"\xbf\x04\x1b"[..], &revision.to_be_bytes(), b"\x08\x00\x0c\x80\xff"].concat();
    OrgRules::decode(&bytes).unwrap()
}

/// Keeps what a sign-in under a cap waits for locked, and what a change of rules waits for.
pub(super) async fn lock_all(schema: &Schema) -> Client {
    let somebody = connect(&schema.url).await;
    let key = Key::user("ada").digest() as i64;
    let (keys, head) = (schema.table("session_keys"), schema.table("schema"));
    let locks = format!(
        "BEGIN; \
         SELECT pg_advisory_xact_lock(hashint8extended({key}, '{keys}'::regclass::oid::int8)); \
         SELECT rules FROM {head} FOR UPDATE"
    );
    somebody.batch_execute(&locks).await.unwrap();
    somebody
}
