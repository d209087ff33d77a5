//! What the memory store consists of.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;

use super::sorted_set::SortedSet;
use crate::clock::Timestamp;
use crate::policy::{Incarnation, OrgRules};
use crate::session::{Record, Revision, SessionId};
use crate::token::random_id;

/// The tables of the store. Locks are taken in one order: the index, a shard, what is shared.
pub(super) struct Tables {
    pub(super) capacity: usize,
    len: AtomicUsize,
    index: Mutex<Index>,
    shards: [RwLock<Shard>; SHARDS],
    shared: Mutex<Shared>,
    rules: Mutex<RulesTable>,
    rules_revision: AtomicU64,
    pub(super) incarnation: Incarnation,
    /// How many records a purge has looked at.
    #[cfg(test)]
    pub(super) looked_at: AtomicUsize,
}

/// Where sessions that have not ended are listed: by the digest of a key, by when they were created,
/// by id.
pub(super) type Index = SortedSet<(u64, Timestamp, SessionId)>;

/// The sessions whose ids begin alike.
#[derive(Default)]
pub(super) struct Shard {
    records: HashTable<Arc<Record>>,
    /// By when they are due.
    pub(super) due: SortedSet<(Timestamp, SessionId)>,
}

const SHARDS: usize = 64;

/// All rules, and in which order they changed last.
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

    pub(super) fn shard(&self, id: SessionId) -> RwLockReadGuard<'_, Shard> {
        lock(self.shards[shard_of(id)].read())
    }

    pub(super) fn shard_mut(&self, id: SessionId) -> RwLockWriteGuard<'_, Shard> {
        lock(self.shards[shard_of(id)].write())
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = RwLockReadGuard<'_, Shard>> {
        self.shards.iter().map(|shard| lock(shard.read()))
    }

    /// Puts a record into its shard, in the place of its previous revision.
    pub(super) fn put(&self, shard: &mut Shard, mut record: Arc<Record>) {
        lock(self.shared.lock()).share(Arc::make_mut(&mut record));
        let (id, due) = (record.id(), record.purge_after());
        match shard.find_mut(id) {
            Some(place) => {
                let old = std::mem::replace(place, record);
                if old.purge_after() != due {
                    shard.due.remove((old.purge_after(), id));
                    shard.due.insert((due, id));
                }
            }
            None => {
                shard.records.insert_unique(hash(id), record, |record| hash(record.id()));
                shard.due.insert((due, id));
                self.len.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Takes a record out of its shard, if it is there and due.
    pub(super) fn take_due(
        &self,
        shard: &mut Shard,
        id: SessionId,
        now: Timestamp,
    ) -> Option<Arc<Record>> {
        let due = |record: &Arc<Record>| {
            if record.id() != id {
                return false;
            }
            #[cfg(test)]
            self.looked_at.fetch_add(1, Ordering::Relaxed);
            record.purge_after() <= now
        };
        let (record, _) = shard.records.find_entry(hash(id), due).ok()?.remove();
        shard.due.remove((record.purge_after(), id));
        self.len.fetch_sub(1, Ordering::Relaxed);
        Some(record)
    }

    pub(super) fn rules(&self) -> MutexGuard<'_, RulesTable> {
        lock(self.rules.lock())
    }

    pub(super) fn rules_revision(&self) -> Revision {
        Revision::from_u64(self.rules_revision.load(Ordering::Acquire))
    }

    /// The caller has the rules locked.
    pub(super) fn raise_rules_revision(&self, revision: Revision) {
        self.rules_revision.store(revision.as_u64(), Ordering::Release);
    }
}

impl Shard {
    pub(super) fn find(&self, id: SessionId) -> Option<&Arc<Record>> {
        self.records.find(hash(id), |record| record.id() == id)
    }

    fn find_mut(&mut self, id: SessionId) -> Option<&mut Arc<Record>> {
        self.records.find_mut(hash(id), |record| record.id() == id)
    }
}

/// What many records have alike, each kept once, as far as it was seen lately.
#[derive(Default)]
struct Shared {
    orgs: HashSet<Arc<str>>,
    labels: HashSet<Arc<[u8]>>,
}

impl Shared {
    fn share(&mut self, record: &mut Record) {
        record.share(|org| known(&mut self.orgs, org), |labels| known(&mut self.labels, labels));
    }
}

fn known<T: ?Sized + Eq + std::hash::Hash>(known: &mut HashSet<Arc<T>>, item: &mut Arc<T>) {
    if let Some(same) = known.get(item) {
        *item = same.clone();
        return;
    }
    // What is common comes again at once.
    if known.len() == MOST_SHARED {
        known.clear();
    }
    known.insert(item.clone());
}

const MOST_SHARED: usize = 4096;

fn shard_of(id: SessionId) -> usize {
    usize::from(id.as_bytes()[0]) % SHARDS
}

/// Session ids are uniformly random, so their bits are a hash already. The first byte chose the shard;
/// these are the last eight.
fn hash(id: SessionId) -> u64 {
    u64::from_le_bytes(*id.as_bytes().last_chunk().expect("an id has 16 bytes"))
}

/// No code that holds a lock can panic halfway through a change.
fn lock<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}
