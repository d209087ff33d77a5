//! The contract of a store, over each of those that the crate ships.
#![cfg(feature = "conformance")]

use tower_curfew::store::MemoryStore;
use tower_curfew::store_tests;

store_tests!(memory, MemoryStore::new());

/// What the tests leave behind, and what others keep there, is not in their way.
#[cfg(feature = "sqlite")]
mod in_one_file {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    use tower_curfew::store::SqliteStore;
    use tower_curfew::store_tests;

    async fn open() -> SqliteStore {
        static FILE: OnceLock<PathBuf> = OnceLock::new();
        let file = FILE.get_or_init(|| tempfile::tempdir().unwrap().keep().join("sessions.db"));
        SqliteStore::open(file).await.unwrap()
    }

    store_tests!(sqlite, open().await);
}

/// Nothing is there at the beginning, and the connections may be cut.
#[cfg(all(feature = "axum", any(feature = "postgres", feature = "redis")))]
mod servers {
    use tower_curfew::store_tests;

    use crate::support::{AnyStore, server};

    #[cfg(feature = "postgres")]
    store_tests!(
        postgres,
        match server("POSTGRES") {
            Some(url) => AnyStore::postgres(&url).await,
            None => return,
        },
        sabotaged
    );

    #[cfg(feature = "deadpool")]
    store_tests!(
        postgres_over_a_pool,
        match server("POSTGRES") {
            Some(url) => AnyStore::postgres_on(crate::support::Way::Lent, &url).await,
            None => return,
        },
        sabotaged
    );

    #[cfg(feature = "redis")]
    store_tests!(
        redis,
        match server("REDIS") {
            Some(url) => AnyStore::redis(&url).await,
            None => return,
        },
        sabotaged
    );
}
