//! A bounded cache in front of a store on another machine.

mod cache;
mod follow;
mod hasher;
mod sample;

use std::fmt;
use std::sync::{Arc, OnceLock};

use time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::cache::Cache;
use self::sample::Samples;
use super::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store};
use super::error::StoreError;
use super::scan::{ScanPlace, Scanned};
use super::watch::{Changes, Watchers};
use crate::clock::{Stopwatch, Timestamp};
use crate::meter;
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};

/// Sets the size of a cache near the app, and how long its entries may be used.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Near {
    /// The longest time for which a node may admit a session that has ended elsewhere. Default: 2
    /// seconds.
    ///
    /// A bound below 1 second disables the cache in effect, because the store's heartbeats then
    /// arrive too late.
    pub bound: Duration,
    /// The number of sessions in the cache, about 600 bytes each. Default: 100,000.
    pub entries: usize,
}

impl Default for Near {
    fn default() -> Self {
        Self { bound: Duration::seconds(2), entries: 100_000 }
    }
}

impl Near {
    /// Sets the [`bound`](Self::bound) of the cache.
    #[must_use]
    pub fn within(self, bound: Duration) -> Self {
        Self { bound, ..self }
    }

    /// Sets the number of sessions in the cache.
    #[must_use]
    pub fn entries(self, entries: usize) -> Self {
        Self { entries, ..self }
    }
}

/// The health of a cache in front of a store.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NearHealth {
    /// The number of sessions in the cache.
    pub entries: usize,
    /// The time since all changes were known; `None` if changes may currently be missed.
    ///
    /// In that case, and once the time exceeds the [bound](Near::bound), each request asks the store.
    pub behind: Option<Duration>,
    /// The longest time for which the cache gave an outdated answer. It is measured on the answers
    /// that were checked against the store.
    pub stalest: Duration,
    /// The cache has exceeded its bound, and is off until the process restarts.
    pub is_off: bool,
}

/// A store with a bounded cache in front of it. Made by [`Store::near`].
pub struct NearStore<S>(Arc<Shared<S>>);

struct Shared<S> {
    store: S,
    cache: Cache,
    samples: Samples,
    /// Runs since the creation of the cache, and is its clock.
    age: Stopwatch,
    watchers: Watchers,
    told: watch::Sender<Told>,
    task: OnceLock<AbortHandle>,
}

/// Whether the store reports changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    NotNow,
    Now,
    Never,
}

impl<S> Drop for Shared<S> {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl<S> Clone for NearStore<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for NearStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearStore").field("store", &self.0.store).finish_non_exhaustive()
    }
}

impl<S: Store> NearStore<S> {
    pub(super) fn new(store: S, near: Near) -> Self {
        Self(Arc::new(Shared {
            store,
            cache: Cache::new(near.bound, near.entries),
            samples: Samples::default(),
            age: Stopwatch::start(),
            watchers: Watchers::default(),
            told: watch::Sender::new(Told::NotNow),
            task: OnceLock::new(),
        }))
    }

    /// Bypasses the cache for a session that this node changes, or tries to, regardless of the
    /// result.
    fn changing(&self, id: SessionId) -> impl Drop {
        Changing { shared: self.0.clone(), id }
    }
}

struct Changing<S> {
    shared: Arc<Shared<S>>,
    id: SessionId,
}

impl<S> Drop for Changing<S> {
    fn drop(&mut self) {
        self.shared.cache.changed(self.id);
    }
}

impl<S: Store> Store for NearStore<S> {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        self.0.store.insert(record, cap).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        let shared = &self.0;
        follow::keep_running(shared);
        // Rules may have ended it, which is not reported for sessions. The caller may be gone
        // before the answer arrives, and the entry would stay.
        shared.cache.forget(id);
        let (asked, ticket) = (shared.age.elapsed(), shared.cache.ticket(id));
        let loaded = shared.store.load(id).await?;
        if let Some(Loaded { record, rules, .. }) = &loaded {
            shared.cache.rules_stand(*rules, asked, shared.age.elapsed());
            shared.cache.fill(ticket, record);
        }
        Ok(loaded)
    }

    fn load_now(&self, id: SessionId) -> Option<Loaded> {
        let shared = &self.0;
        let cached = shared.cache.get(id, shared.age.elapsed());
        let Some(loaded) = cached.filter(|_| !shared.samples.is_off()) else {
            meter::near("miss");
            return None;
        };
        meter::near("hit");
        if shared.samples.is_due() {
            sample::again(shared, &loaded);
        }
        Some(loaded)
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        let _changing = self.changing(record.id());
        self.0.store.replace(record).await
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        let shared = &self.0;
        let asked = shared.age.elapsed();
        let listed = shared.store.list(key, page).await?;
        shared.cache.rules_stand(listed.rules, asked, shared.age.elapsed());
        Ok(listed)
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        let shared = &self.0;
        let asked = shared.age.elapsed();
        let changed = shared.store.rules_since(revision, at_most).await?;
        // A page that is not the last does not reach the current revision of the rules.
        if changed.changes.len() < at_most as usize {
            shared.cache.rules_stand(changed.reaches, asked, shared.age.elapsed());
        }
        Ok(changed)
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let shared = &self.0;
        let replaced = shared.store.replace_rules(org, rules, now).await;
        shared.cache.wait_for_changes(shared.age.elapsed());
        replaced
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.0.store.purge(now, at_most).await
    }

    async fn scan(&self, after: Option<ScanPlace>, at_most: u32) -> Result<Scanned, StoreError> {
        self.0.store.scan(after, at_most).await
    }

    async fn import(&self, records: Vec<Arc<Record>>) -> Result<u64, StoreError> {
        self.0.store.import(records).await
    }

    async fn watch(&self) -> Result<Option<Changes>, StoreError> {
        follow::watch(&self.0).await
    }

    fn near_health(&self) -> Option<NearHealth> {
        let shared = &self.0;
        Some(NearHealth {
            entries: shared.cache.len(),
            behind: shared.cache.behind(shared.age.elapsed()),
            stalest: shared.samples.stalest(),
            is_off: shared.samples.is_off(),
        })
    }
}
