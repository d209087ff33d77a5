//! A store that fails when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{
    Cap, Inserted, Key, Listed, Loaded, MemoryStore, OrgRules, Page, Record, Replaced, Revision,
    RulesChanged, Store, StoreError,
};

/// A store in memory that answers nothing but errors once it has failed.
#[derive(Clone, Default)]
pub struct FailingStore {
    memory: MemoryStore,
    has_failed: Arc<AtomicBool>,
}

impl FailingStore {
    /// From now on it answers nothing but errors.
    pub fn fail(&self) {
        self.has_failed.store(true, Ordering::SeqCst);
    }

    fn memory(&self) -> Result<&MemoryStore, StoreError> {
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(StoreError::message("the store has failed"));
        }
        Ok(&self.memory)
    }
}

impl Store for FailingStore {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        self.memory()?.insert(record, cap).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        self.memory()?.load(id).await
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        self.memory()?.replace(record).await
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        self.memory()?.list(key, page).await
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        self.memory()?.rules_since(revision, at_most).await
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.memory()?.replace_rules(org, rules, now).await
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.memory()?.purge(now, at_most).await
    }
}
