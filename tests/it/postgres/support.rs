//! A schema of a test's own, and what to put into it.

use std::env;
use std::error::Error;
use std::io::Write as _;
use std::time::Duration as StdDuration;

use tokio_postgres::{Client, NoTls};
use tower_curfew::store::{
    Client as Device, Insert, Kind, Membership, PostgresOptions, PostgresStore, Record, SecretHash,
    SessionId, Store, Touch,
};
use tower_curfew::{Clock, SystemClock, Timestamp};

pub(super) struct Schema {
    pub(super) url: String,
    pub(super) name: String,
    pub(super) client: Client,
}

impl Schema {
    /// `None` if there is no server; then it says so.
    pub(super) async fn new(test: &str) -> Option<Self> {
        let Ok(url) = env::var("CURFEW_TEST_POSTGRES") else {
            // Not through the macro, whose output is captured.
            let text = format!("{test}: skipped: set CURFEW_TEST_POSTGRES\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            return None;
        };
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
        let url = with(&self.url, &format!("application_name={}", self.name));
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

    /// How many connections the stores have.
    pub(super) async fn connections(&self) -> i64 {
        let name = &self.name;
        self.number(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'"
        ))
        .await
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
        if self.number(&format!("SELECT count(*) FROM pg_roles WHERE rolname = '{name}'")).await
            != 0
        {
            self.run(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await;
        }
    }
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

pub(super) async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(StdDuration::from_secs(seconds), future).await.expect("in time")
}

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

pub(super) fn record(number: u32, user: &str, orgs: &[&str]) -> Record {
    let join =
        |org: &&str| Membership { org: (*org).into(), generation: 0, version: 0, joined: at(1000) };
    Record {
        id: id(number),
        secret_hash: SecretHash::from_bytes([7; 32]),
        user: user.into(),
        kind: Kind::Browser,
        name: None,
        memberships: orgs.iter().map(join).collect(),
        created: at(1000),
        authenticated: at(1000),
        seen: at(1000),
        ends_by: None,
        idle: None,
        client: Device { agent: Some("Mozilla/5.0 (X11; Linux)".into()), ..Device::default() },
        ended: None,
        purge_after: at(99_000),
    }
}

pub(super) async fn stored(store: &PostgresStore, record: Record) {
    assert_eq!(store.insert(record, &[], None).await.unwrap(), Insert::Stored);
}

pub(super) fn touch(number: u32, last_seen: i64, seen: i64) -> Touch {
    Touch {
        id: id(number),
        secret_hash: SecretHash::from_bytes([7; 32]),
        seen: at(seen),
        last_seen: at(last_seen),
        client: Device { agent: Some("Mozilla/5.0 (Mac)".into()), ..Device::default() },
        purge_after: at(99_000 + seen),
    }
}
