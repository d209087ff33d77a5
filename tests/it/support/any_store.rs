//! Every store there is.

#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;
#[cfg(feature = "postgres")]
use tower_curfew::store::PostgresStore;
#[cfg(feature = "redis")]
use tower_curfew::store::RedisStore;
#[cfg(feature = "sqlite")]
use tower_curfew::store::SqliteStore;
use tower_curfew::store::{
    Cap, Changes, Inserted, Key, Listed, Loaded, MemoryStore, OrgRules, Page, Record, Replaced,
    Revision, RulesChanged, ScanPlace, Scanned, Store, StoreError,
};

#[cfg(feature = "redis")]
use crate::processes::redis_nodes;

/// One of the stores that the crate ships. The only list of them: what runs over every store, runs
/// over these.
#[derive(Clone, Debug)]
pub enum AnyStore {
    Memory(MemoryStore),
    #[cfg(feature = "sqlite")]
    Sqlite {
        store: SqliteStore,
        file: PathBuf,
        folder: Option<Arc<tempfile::TempDir>>,
    },
    #[cfg(feature = "postgres")]
    Postgres {
        store: PostgresStore,
        /// Of the server itself, for what a test does past the store.
        url: String,
        schema: String,
        way: Way,
    },
    #[cfg(feature = "redis")]
    Redis {
        store: RedisStore,
        url: String,
        prefix: String,
    },
}

/// On which way a store reaches PostgreSQL.
#[cfg(feature = "postgres")]
#[derive(Clone, Debug)]
pub enum Way {
    Direct,
    /// Through the pooler with this URL.
    Pooler(String),
    /// Over a pool such as an app has.
    #[cfg(feature = "deadpool")]
    Lent,
}

impl AnyStore {
    /// An empty one of each that `CURFEW_STORES` names, or of all, as far as there is a server for it.
    pub async fn all() -> Vec<Self> {
        let mut all = Vec::new();
        if is_wanted("memory") {
            all.push(Self::memory());
        }
        #[cfg(feature = "sqlite")]
        if is_wanted("sqlite") {
            all.push(Self::sqlite().await);
        }
        #[cfg(feature = "postgres")]
        if is_wanted("postgres")
            && let Some(url) = server("POSTGRES")
        {
            all.push(Self::postgres(&url).await);
        }
        #[cfg(feature = "redis")]
        if is_wanted("redis")
            && let Some(url) = server("REDIS")
        {
            all.push(Self::redis(&url).await);
        }
        all
    }

    pub fn memory() -> Self {
        Self::Memory(MemoryStore::new())
    }

    /// In a folder that goes with its last clone.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.db");
        Self::opened(file, Some(Arc::new(folder))).await
    }

    #[cfg(feature = "sqlite")]
    pub async fn sqlite_in(file: &Path) -> Self {
        Self::opened(file.to_owned(), None).await
    }

    #[cfg(feature = "sqlite")]
    async fn opened(file: PathBuf, folder: Option<Arc<tempfile::TempDir>>) -> Self {
        Self::Sqlite { store: SqliteStore::open(&file).await.unwrap(), file, folder }
    }

    /// Through the pooler that is named, if one is.
    #[cfg(feature = "postgres")]
    pub async fn postgres(url: &str) -> Self {
        Self::postgres_on(pooler().map_or(Way::Direct, Way::Pooler), url).await
    }

    #[cfg(feature = "postgres")]
    pub async fn postgres_on(way: Way, url: &str) -> Self {
        Self::postgres_in(url, format!("s{}", unique()), way).await
    }

    #[cfg(feature = "postgres")]
    async fn postgres_in(url: &str, schema: String, way: Way) -> Self {
        // Its connections have the name of its schema.
        let named = |url: &str| {
            let sign = if url.contains('?') { '&' } else { '?' };
            format!("{url}{sign}application_name={schema}")
        };
        let options = || match &way {
            Way::Direct => PostgresStore::options(named(url)),
            Way::Pooler(pooler) => PostgresStore::options(named(pooler)).through_pooler(),
            #[cfg(feature = "deadpool")]
            Way::Lent => PostgresStore::options_with_pool(pool(&named(url))),
        };
        let options = || options().schema(&schema).without_clock_check();
        let store = connected(|| options().connect()).await;
        Self::Postgres { store, url: url.to_owned(), schema, way }
    }

    #[cfg(feature = "redis")]
    pub async fn redis(url: &str) -> Self {
        Self::redis_in(url, format!("{}:", unique())).await
    }

    /// On a server that is to be started anew, which forgets its users.
    #[cfg(feature = "redis")]
    pub async fn redis_without_a_user(url: &str) -> Self {
        Self::connected(url, url, format!("{}:", unique())).await
    }

    /// The same, where ends and rules are acknowledged by so many replicas.
    #[cfg(feature = "redis")]
    pub async fn redis_acknowledged(url: &str, replicas: u32) -> Self {
        let prefix = format!("{}:", unique());
        let options = || {
            let options = RedisStore::options(url).prefix(&prefix).acknowledged_by(replicas);
            options.without_clock_check()
        };
        let store = connected(|| options().connect()).await;
        Self::Redis { store, url: url.to_owned(), prefix }
    }

    #[cfg(feature = "redis")]
    async fn redis_in(url: &str, prefix: String) -> Self {
        // Its connections have a user of their own, so that they can be told from others.
        let user = prefix.trim_end_matches(':');
        let rights = ["SETUSER", user, "on", "nopass", "~*", "&*", "+@all"];
        redis_nodes::each(url, redis::cmd("ACL").arg(&rights)).await;
        let named = url.replacen("://", &format!("://{user}:any@"), 1);
        Self::connected(url, &named, prefix).await
    }

    #[cfg(feature = "redis")]
    async fn connected(url: &str, own_url: &str, prefix: String) -> Self {
        let options = || RedisStore::options(own_url).prefix(&prefix).without_clock_check();
        let store = connected(|| options().connect()).await;
        Self::Redis { store, url: url.to_owned(), prefix }
    }

    /// The same store on a server, over this way to it.
    #[cfg(all(feature = "near", any(feature = "postgres", feature = "redis")))]
    pub async fn over(&self, way_to: &str) -> Self {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres { schema, way, .. } => {
                Self::postgres_in(way_to, schema.clone(), way.clone()).await
            }
            #[cfg(feature = "redis")]
            Self::Redis { prefix, .. } => Self::connected(way_to, way_to, prefix.clone()).await,
            other => panic!("{other:?} is on no server"),
        }
    }

    /// The same store, with connections of its own where it has any.
    pub async fn elsewhere(&self) -> Self {
        match self {
            Self::Memory(store) => Self::Memory(store.clone()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite { file, folder, .. } => Self::opened(file.clone(), folder.clone()).await,
            #[cfg(feature = "postgres")]
            Self::Postgres { url, schema, way, .. } => {
                Self::postgres_in(url, schema.clone(), way.clone()).await
            }
            #[cfg(feature = "redis")]
            Self::Redis { url, prefix, .. } => Self::redis_in(url, prefix.clone()).await,
        }
    }
}

/// Whether stories are to be told over the store with this name.
fn is_wanted(store: &str) -> bool {
    let Ok(names) = std::env::var("CURFEW_STORES") else { return true };
    let names = names.split(',').collect::<Vec<_>>();
    // With a name that nothing has, each story would pass without being told.
    let known = |name: &&str| ["memory", "sqlite", "postgres", "redis"].contains(name);
    assert!(names.iter().all(known), "CURFEW_STORES names another store: {names:?}");
    names.contains(&store)
}

/// The URL of a pooler before the server for these tests, if they are to go through one.
#[cfg(feature = "postgres")]
fn pooler() -> Option<String> {
    std::env::var("CURFEW_TEST_POSTGRES_POOLER").ok()
}

/// A pool such as an app has.
#[cfg(feature = "deadpool")]
pub fn pool(url: &str) -> deadpool_postgres::Pool {
    let config = url.parse::<tokio_postgres::Config>().unwrap();
    let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
    deadpool_postgres::Pool::builder(manager).max_size(4).build().unwrap()
}

/// A store gives up soon where the server or the machine is busy. Tests try again.
#[cfg(any(feature = "postgres", feature = "redis"))]
async fn connected<S, E, F>(connect: impl Fn() -> F) -> S
where
    F: Future<Output = Result<S, E>>,
    E: std::fmt::Debug,
{
    for _ in 0..30 {
        if let Ok(store) = connect().await {
            return store;
        }
    }
    connect().await.unwrap()
}

/// Passes a call on to the store, whichever it is.
macro_rules! pass_on {
    ($self:ident.$call:ident($($argument:expr),*)) => {
        match $self {
            AnyStore::Memory(store) => store.$call($($argument),*).await,
            #[cfg(feature = "sqlite")]
            AnyStore::Sqlite { store, .. } => store.$call($($argument),*).await,
            #[cfg(feature = "postgres")]
            AnyStore::Postgres { store, .. } => store.$call($($argument),*).await,
            #[cfg(feature = "redis")]
            AnyStore::Redis { store, .. } => store.$call($($argument),*).await,
        }
    };
}

impl Store for AnyStore {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        pass_on!(self.insert(record, cap))
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        pass_on!(self.load(id))
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        pass_on!(self.replace(record))
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        pass_on!(self.list(key, page))
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        pass_on!(self.rules_since(revision, at_most))
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        pass_on!(self.replace_rules(org, rules, now))
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        pass_on!(self.purge(now, at_most))
    }

    async fn scan(&self, after: Option<ScanPlace>, at_most: u32) -> Result<Scanned, StoreError> {
        pass_on!(self.scan(after, at_most))
    }

    async fn import(&self, records: Vec<Arc<Record>>) -> Result<u64, StoreError> {
        pass_on!(self.import(records))
    }

    async fn watch(&self) -> Result<Option<Changes>, StoreError> {
        pass_on!(self.watch())
    }
}

/// As a server that is started anew, or a hand that slips.
#[cfg(all(feature = "conformance", any(feature = "postgres", feature = "redis")))]
impl tower_curfew::conformance::Sabotage for AnyStore {
    async fn cut_connections(&self) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres { url, schema, .. } => {
                let (client, connection) =
                    tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE application_name = $1";
                client.query(cut, &[schema]).await.unwrap();
            }
            #[cfg(feature = "redis")]
            Self::Redis { url, prefix, .. } => {
                let user = prefix.trim_end_matches(':');
                redis_nodes::each(url, redis::cmd("CLIENT").arg(&["KILL", "USER", user])).await;
            }
            other => panic!("{other:?} has no connections"),
        }
    }

    async fn lose_record(&self, id: SessionId) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres { url, schema, .. } => {
                let (client, connection) =
                    tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                let lose = format!("DELETE FROM {schema}.curfew_sessions WHERE id = $1");
                client.execute(&lose, &[&&id.as_bytes()[..]]).await.unwrap();
            }
            #[cfg(feature = "redis")]
            Self::Redis { url, prefix, .. } => {
                let key = [prefix.as_bytes(), b"session:", &id.as_bytes()[..]].concat();
                let lost: i64 = redis_nodes::owner(url, redis::cmd("DEL").arg(key)).await;
                assert_eq!(lost, 1);
            }
            other => panic!("nobody loses anything in {other:?}"),
        }
    }
}

/// The URL of the server for these tests. Without one, they say that they skip it.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub fn server(engine: &str) -> Option<String> {
    use std::io::Write as _;

    let variable = format!("CURFEW_TEST_{engine}");
    let url = std::env::var(&variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // Not by a macro: what a test prints that way is shown only if it fails.
        let _ = writeln!(std::io::stderr(), "skipped over {engine}: {test}; set {variable}");
    }
    url
}

/// A name that no other store on the same server has.
#[cfg(any(feature = "postgres", feature = "redis"))]
fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};

    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{}_{now}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst))
}
