//! Every store there is.

#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};
#[cfg(feature = "sqlite")]
use std::sync::Arc;

use tower_curfew::store::MemoryStore;
#[cfg(feature = "postgres")]
use tower_curfew::store::PostgresStore;
#[cfg(feature = "redis")]
use tower_curfew::store::RedisStore;
#[cfg(feature = "sqlite")]
use tower_curfew::store::SqliteStore;

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
        url: String,
        schema: String,
    },
    #[cfg(feature = "redis")]
    Redis {
        store: RedisStore,
        url: String,
        prefix: String,
    },
}

impl AnyStore {
    /// An empty one of each, as far as there is a server for it.
    pub async fn all() -> Vec<Self> {
        #[cfg_attr(not(any(feature = "postgres", feature = "redis")), expect(unused_mut))]
        let mut all = vec![
            Self::memory(),
            #[cfg(feature = "sqlite")]
            Self::sqlite().await,
        ];
        #[cfg(feature = "postgres")]
        if let Some(url) = server("POSTGRES") {
            all.push(Self::postgres(&url).await);
        }
        #[cfg(feature = "redis")]
        if let Some(url) = server("REDIS") {
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

    #[cfg(feature = "postgres")]
    pub async fn postgres(url: &str) -> Self {
        Self::postgres_in(url, format!("s{}", unique())).await
    }

    #[cfg(feature = "postgres")]
    async fn postgres_in(url: &str, schema: String) -> Self {
        let options = PostgresStore::options(url).schema(&schema).without_clock_check();
        let store = options.connect().await.unwrap();
        Self::Postgres { store, url: url.to_owned(), schema }
    }

    #[cfg(feature = "redis")]
    pub async fn redis(url: &str) -> Self {
        Self::redis_in(url, format!("{}:", unique())).await
    }

    #[cfg(feature = "redis")]
    async fn redis_in(url: &str, prefix: String) -> Self {
        let options = RedisStore::options(url).key_prefix(&prefix).without_clock_check();
        let store = options.connect().await.unwrap();
        Self::Redis { store, url: url.to_owned(), prefix }
    }

    /// The same store, with connections of its own where it has any.
    pub async fn elsewhere(&self) -> Self {
        match self {
            Self::Memory(store) => Self::Memory(store.clone()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite { file, folder, .. } => Self::opened(file.clone(), folder.clone()).await,
            #[cfg(feature = "postgres")]
            Self::Postgres { url, schema, .. } => Self::postgres_in(url, schema.clone()).await,
            #[cfg(feature = "redis")]
            Self::Redis { url, prefix, .. } => Self::redis_in(url, prefix.clone()).await,
        }
    }
}

/// The URL of the server for these tests. Without one, they say that they skip it.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub fn server(engine: &str) -> Option<String> {
    use std::io::Write as _;

    let variable = format!("CURFEW_TEST_{engine}");
    let url = std::env::var(&variable).ok();
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
