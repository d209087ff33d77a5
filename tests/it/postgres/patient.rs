//! A store that makes calls again for which no connection was free for too long.

use std::sync::Arc;

use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{
    Cap, Inserted, Key, Listed, Loaded, OrgRules, Page, PostgresStore, Record, Replaced, Revision,
    RulesChanged, Store, StoreError,
};

use super::support::patiently;

/// For tests that crowd a few connections: how many calls these serve within the time that a call
/// waits for one depends on the machine.
pub(super) struct Patient(pub(super) PostgresStore);

impl Store for Patient {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        patiently(|| self.0.insert(record.clone(), cap)).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        patiently(|| self.0.load(id)).await
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        patiently(|| self.0.replace(record.clone())).await
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        patiently(|| self.0.list(key, page)).await
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        patiently(|| self.0.rules_since(revision, at_most)).await
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        patiently(|| self.0.replace_rules(org, rules.clone(), now)).await
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        patiently(|| self.0.purge(now, at_most)).await
    }
}
