//! The tables of the memory store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use hashbrown::HashTable;

use super::sorted_set::SortedSet;
use crate::clock::Timestamp;
use crate::policy::{Incarnation, OrgRules};
use crate::session::{Record, Revision, SessionId};
use crate::store::watch::Watchers;
use crate::token::random_id;

/// The tables of the store. Locks are taken in one order: the index, a shard, the shared values.
pub(super) struct Tables {
    pub(super) capacity: usize,
    pub(super) len: AtomicUsize,
    index: Mutex<Index>,
    pub(super) shards: [RwLock<Shard>; SHARDS],
    pub(super) shared: Mutex<Shared>,
    rules: Mutex<RulesTable>,
    pub(super) rules_revision: AtomicU64,
    pub(super) incarnation: Incarnation,
    pub(super) watchers: Arc<Watchers>,
    /// The number of records that purges have looked at.
    #[cfg(test)]
    pub(super) looked_at: AtomicUsize,
}

/// The index of sessions that have not ended: by the digest of a key, creation time and id.
pub(super) type Index = SortedSet<(u64, Timestamp, SessionId)>;

/// The sessions whose ids begin alike.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) records: HashTable<Arc<Record>>,
    /// By the time at which they are due.
    pub(super) due: SortedSet<(Timestamp, SessionId)>,
}

pub(super) const SHARDS: usize = 64;

/// All rules, and the order of their last changes.
#[derive(Default)]
pub(super) struct RulesTable {
    pub(super) of: HashMap<Arc<str>, (Revision, OrgRules)>,
    pub(super) order: BTreeMap<Revision, Arc<str>>,
}

impl Tables {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            len: AtomicUsize::new(0),
            index: Mutex::default(),
            shards: std::array::from_fn(|_| RwLock::default()),
            shared: Mutex::default(),
            rules: Mutex::default(),
            rules_revision: AtomicU64::new(0),
            incarnation: Incarnation::of(random_id().as_bytes()),
            watchers: Arc::default(),
            #[cfg(test)]
            looked_at: AtomicUsize::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        lock(self.index.lock())
    }

    pub(super) fn rules(&self) -> MutexGuard<'_, RulesTable> {
        lock(self.rules.lock())
    }
}

/// Values that many records share, each stored once, as far as it was seen lately.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) orgs: HashSet<Arc<str>>,
    pub(super) labels: HashSet<Arc<[u8]>>,
}

/// No code that holds a lock can panic in the middle of a change.
pub(super) fn lock<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}
