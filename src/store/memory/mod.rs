//! A store in the memory of the process.

mod error;
mod moving;
mod open;
mod read;
mod sorted_set;
mod watch;
mod write;

use std::fmt;
use std::sync::Arc;

use tokio::task::yield_now;

use self::open::Tables;
use super::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store};
use super::error::StoreError;
use super::scan::{ScanPlace, Scanned};
use super::watch::Changes;
use crate::clock::Timestamp;
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};

/// Keeps sessions in the memory of this process. They are lost when it ends.
///
/// Use it for tests, and for single processes that may lose their sessions.
///
/// It holds a bounded number of records, a million by default, including ended ones until they are
/// purged. It purges by itself. Clones share the same sessions.
#[derive(Clone)]
pub struct MemoryStore(Arc<Tables>);

impl MemoryStore {
    /// Makes an empty store for up to a million records.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(1_000_000)
    }

    /// Makes an empty store for up to this many records.
    ///
    /// A sign-in beyond this number fails with an error; existing sessions stay.
    #[must_use]
    pub fn with_capacity(records: usize) -> Self {
        Self(Arc::new(Tables::new(records)))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("records", &self.0.len()).finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        write::insert(&self.0, record, cap)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        Ok(read::load(&self.0, id))
    }

    fn load_now(&self, id: SessionId) -> Option<Loaded> {
        read::load(&self.0, id)
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        Ok(write::replace(&self.0, record))
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        Ok(read::list(&self.0, key, page))
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        Ok(read::rules_since(&self.0, revision, at_most))
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(write::replace_rules(&self.0, org, rules, now))
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let mut purged = 0;
        loop {
            let portion = write::AT_ONCE.min(at_most - purged);
            let deleted = write::purge(&self.0, now, portion);
            purged += deleted;
            if deleted < portion || purged == at_most {
                return Ok(purged.into());
            }
            yield_now().await;
        }
    }

    async fn scan(&self, after: Option<ScanPlace>, at_most: u32) -> Result<Scanned, StoreError> {
        moving::scan(&self.0, after, at_most)
    }

    async fn import(&self, records: Vec<Arc<Record>>) -> Result<u64, StoreError> {
        moving::import(&self.0, records)
    }

    async fn watch(&self) -> Result<Option<Changes>, StoreError> {
        Ok(Some(watch::watch(&self.0)))
    }
}
