//! The contract of a store, over each of those that the crate ships.
#![cfg(feature = "conformance")]

use tower_curfew::conformance;
use tower_curfew::store::MemoryStore;

#[tokio::test]
async fn memory() {
    conformance::all(&MemoryStore::new()).await;
}

/// What the functions leave behind, and what others keep there, is not in their way.
#[tokio::test]
async fn memory_twice() {
    let store = MemoryStore::new();
    conformance::all(&store).await;
    conformance::all(&store).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let store = tower_curfew::store::SqliteStore::open(file).await.unwrap();
    conformance::all(&store).await;
    conformance::all(&store).await;
}
