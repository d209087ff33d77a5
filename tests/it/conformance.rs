//! The contract of a store, over each of those that the crate ships.
#![cfg(feature = "conformance")]

use tower_curfew::store::MemoryStore;
use tower_curfew::store_tests;

store_tests!(memory, MemoryStore::new());

/// What the tests leave behind, and what others keep there, is not in their way. They share a store:
/// those of many processes would wait for each other longer than a store waits for a lock.
#[cfg(feature = "sqlite")]
mod in_one_file {
    use tokio::sync::OnceCell;

    use tower_curfew::store::SqliteStore;
    use tower_curfew::store_tests;

    async fn open() -> SqliteStore {
        static STORE: OnceCell<SqliteStore> = OnceCell::const_new();
        let file = || tempfile::tempdir().unwrap().keep().join("sessions.db");
        STORE.get_or_init(async || SqliteStore::open(file()).await.unwrap()).await.clone()
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
