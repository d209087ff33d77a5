//! Stores that are broken on purpose, so that a run shows what the checker finds.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use redis::aio::MultiplexedConnection;
use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{
    Cap, Inserted, Key, Listed, Loaded, OrgRules, Page, Record, Replaced, Revision, RulesChanged,
    Store, StoreError,
};

use crate::chance::Chance;

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plant {
    /// It acknowledges one end in a thousand without making it.
    Forgets,
    /// It reads from a replica that is up to half a second behind.
    Lags,
    /// It writes over what has changed or ended meanwhile.
    Upserts,
    /// Somebody promotes the replica of a server that goes on, and one node follows it.
    TwoPrimaries,
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// Of so many ends one is forgotten.
const ENDS_PER_FORGOTTEN: usize = 1000;

/// By so much what is read may be out of date.
const LAG: Duration = Duration::from_millis(500);

/// A store, and what is wrong with it on this node.
pub(crate) struct Broken<S> {
    pub(crate) store: S,
    pub(crate) flaw: Flaw,
}

/// A fault that lies in the store as a node sees it.
pub(crate) enum Flaw {
    None,
    Forgets(Mutex<Chance>),
    Lags(Mutex<HashMap<SessionId, Found>>),
    Upserts(MultiplexedConnection),
}

/// What was read, and when.
type Found = (Instant, Option<Loaded>);

impl Flaw {
    pub(crate) fn forgets(seed: u64) -> Self {
        Self::Forgets(Mutex::new(Chance::new(seed)))
    }

    pub(crate) fn lags() -> Self {
        Self::Lags(Mutex::default())
    }

    pub(crate) async fn upserts(url: &str) -> anyhow::Result<Self> {
        let client = redis::Client::open(url)?;
        Ok(Self::Upserts(client.get_multiplexed_async_connection().await?))
    }

    fn forgets_this(&self, record: &Record) -> bool {
        let Self::Forgets(chance) = self else { return false };
        let mut chance = chance.lock().unwrap_or_else(PoisonError::into_inner);
        record.has_ended() && chance.below(ENDS_PER_FORGOTTEN) == 0
    }
}

impl<S: Store> Broken<S> {
    /// Deletes what is there and files this record in its place, which no call of a store can do.
    async fn upsert(
        &self,
        redis: &MultiplexedConnection,
        record: Arc<Record>,
    ) -> Result<Replaced, StoreError> {
        let key = [&b"curfew:session:"[..], record.id().as_bytes()].concat();
        let deleted = redis::cmd("DEL").arg(key).exec_async(&mut redis.clone()).await;
        deleted.map_err(|error| StoreError::new("the record cannot be deleted", error))?;
        self.store.import(vec![record]).await?;
        Ok(Replaced::Done)
    }
}

impl<S: Store> Store for Broken<S> {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        self.store.insert(record, cap).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        let Flaw::Lags(found) = &self.flaw else { return self.store.load(id).await };
        let known = found.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some((_, known)) = known.filter(|(at, _)| at.elapsed() < LAG) {
            return Ok(known);
        }
        let loaded = self.store.load(id).await?;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.retain(|_, (at, _)| at.elapsed() < LAG);
        found.insert(id, (Instant::now(), loaded.clone()));
        Ok(loaded)
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        if self.flaw.forgets_this(&record) {
            return Ok(Replaced::Done);
        }
        match (self.store.replace(record.clone()).await?, &self.flaw) {
            (Replaced::Stale | Replaced::Gone, Flaw::Upserts(redis)) => {
                self.upsert(redis, record).await
            }
            (replaced, _) => Ok(replaced),
        }
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        self.store.list(key, page).await
    }

    async fn rules_since(&self, from: Revision, at_most: u32) -> Result<RulesChanged, StoreError> {
        self.store.rules_since(from, at_most).await
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
