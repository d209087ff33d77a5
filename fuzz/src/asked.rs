//! A store in memory that counts how often it is asked for a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{
    Cap, Inserted, Key, Listed, Loaded, MemoryStore, OrgRules, Page, Record, Replaced, Revision,
    RulesChanged, Store, StoreError,
};

/// What it knows without being asked stands for a cache in front of it.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) store: MemoryStore,
    loads: Arc<AtomicU32>,
}

impl Asked {
    pub(crate) fn new(store: MemoryStore) -> Self {
        Self { store, loads: Arc::default() }
    }

    /// How often it was asked since the last time.
    pub(crate) fn loads(&self) -> u32 {
        self.loads.swap(0, Ordering::Relaxed)
    }
}

impl Store for Asked {
    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.store.load(id).await
    }

    fn load_now(&self, id: SessionId) -> Option<Loaded> {
        self.store.load_now(id)
    }

    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        self.store.insert(record, cap).await
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        self.store.replace(record).await
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        self.store.list(key, page).await
    }

    async fn rules_since(&self, from: Revision, most: u32) -> Result<RulesChanged, StoreError> {
        self.store.rules_since(from, most).await
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.store.replace_rules(org, rules, now).await
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.store.purge(now, at_most).await
    }
}
