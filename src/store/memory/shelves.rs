//! Where the memory store puts things: records by id, each user's ids, each organisation's members.
//!
//! Locks are taken in one order: a user's list, the organisations, the records; and of the records
//! one shard at a time.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hasher};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::session::{Membership, Record, Selector, SessionId};
use crate::store::{Facts, OrgRules, StoreError, Swapped};
use crate::time::Timestamp;

pub(super) struct Shelves {
    capacity: usize,
    pub(super) len: AtomicUsize,
    users: [Mutex<Users>; SHARDS],
    orgs: RwLock<Orgs>,
    records: [RwLock<Records>; SHARDS],
}

pub(super) type Users = HashMap<Arc<str>, Vec<SessionId>>;
pub(super) type Orgs = HashMap<Arc<str>, Org>;
type Records = HashMap<SessionId, Arc<Record>, BuildHasherDefault<TakeBits>>;

const SHARDS: usize = 64;

pub(super) struct Org {
    pub(super) rules: Arc<OrgRules>,
    /// In the order of lists.
    pub(super) members: BTreeSet<(Timestamp, SessionId)>,
}

impl Org {
    pub(super) fn first(now: Timestamp) -> Self {
        Self::with(OrgRules::first(now))
    }

    pub(super) fn with(rules: OrgRules) -> Self {
        Self { rules: Arc::new(rules), members: BTreeSet::new() }
    }

    pub(super) fn join(&self, name: Arc<str>, joined: Timestamp) -> Membership {
        let (generation, version) = (self.rules.generation(), self.rules.version());
        Membership { org: name, generation, version, joined }
    }
}

impl Shelves {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            len: AtomicUsize::new(0),
            users: std::array::from_fn(|_| Mutex::default()),
            orgs: RwLock::default(),
            records: std::array::from_fn(|_| RwLock::default()),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.capacity <= self.len.load(Ordering::Relaxed)
    }

    /// The lists of this user and of those who share the shard.
    pub(super) fn users(&self, user: &str) -> MutexGuard<'_, Users> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(user);
        lock(self.users[hash as usize % SHARDS].lock())
    }

    pub(super) fn orgs(&self) -> RwLockReadGuard<'_, Orgs> {
        lock(self.orgs.read())
    }

    pub(super) fn orgs_mut(&self) -> RwLockWriteGuard<'_, Orgs> {
        lock(self.orgs.write())
    }

    pub(super) fn record(&self, id: SessionId) -> Option<Arc<Record>> {
        lock(self.shard(id).read()).get(&id).cloned()
    }

    /// Lets `change` at a record that exists and has not ended; `None` if there is none.
    pub(super) fn change<T>(
        &self,
        id: SessionId,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Option<T> {
        let mut records = lock(self.shard(id).write());
        let record = records.get_mut(&id).filter(|record| record.ended.is_none())?;
        Some(change(Arc::make_mut(record)))
    }

    pub(super) fn add(&self, record: Record) {
        lock(self.shard(record.id).write()).insert(record.id, Arc::new(record));
        self.len.fetch_add(1, Ordering::Relaxed);
    }

    /// Locks whatever could add a session to those that the selector matches.
    pub(super) fn freeze<'a>(&'a self, which: &'a Selector) -> Frozen<'a> {
        let users = which.by_user().map(|user| (user, self.users(user)));
        Frozen { which, users, orgs: self.orgs() }
    }

    /// Frees what may be freed, at most so many records.
    pub(super) fn purge(&self, now: Timestamp, at_most: usize) -> usize {
        let mut purged = 0;
        for shard in &self.records {
            let spent = lock(shard.read())
                .values()
                .filter(|record| record.purge_after <= now)
                .take(at_most - purged)
                .cloned()
                .collect::<Vec<_>>();
            purged += spent.into_iter().filter(|record| self.remove(record, now)).count();
            if purged == at_most {
                break;
            }
        }
        purged
    }

    fn remove(&self, spent: &Record, now: Timestamp) -> bool {
        let mut users = self.users(&spent.user);
        let mut orgs = self.orgs_mut();
        let mut records = lock(self.shard(spent.id).write());
        // Without the locks it may have been used again.
        if records.get(&spent.id).is_none_or(|record| now < record.purge_after) {
            return false;
        }
        let Some(record) = records.remove(&spent.id) else {
            return false;
        };
        for membership in &record.memberships {
            if let Some(org) = orgs.get_mut(&membership.org) {
                org.members.remove(&(record.created, record.id));
            }
        }
        if let Some(ids) = users.get_mut(&record.user) {
            ids.retain(|id| *id != record.id);
            if ids.is_empty() {
                users.remove(&record.user);
            }
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        true
    }

    fn shard(&self, id: SessionId) -> &RwLock<Records> {
        &self.records[usize::from(id.as_bytes()[0]) % SHARDS]
    }
}

/// A moment in which nothing is added to what a selector matches.
pub(super) struct Frozen<'a> {
    which: &'a Selector,
    users: Option<(&'a Arc<str>, MutexGuard<'a, Users>)>,
    pub(super) orgs: RwLockReadGuard<'a, Orgs>,
}

impl Frozen<'_> {
    /// If the selector is about one session or one user: ids among which are all that it matches.
    pub(super) fn few(&self) -> Option<Vec<SessionId>> {
        if let Some(id) = self.which.by_session() {
            return Some(vec![id]);
        }
        let (user, users) = self.users.as_ref()?;
        Some(users.get(*user).cloned().unwrap_or_default())
    }

    /// The members of the selector's organisation after the one at `after`, in the order of lists.
    pub(super) fn members(
        &self,
        after: Option<(Timestamp, SessionId)>,
    ) -> impl Iterator<Item = SessionId> {
        let org = self.which.by_org().and_then(|org| self.orgs.get(org));
        let end = after.map_or(Bound::Unbounded, Bound::Excluded);
        org.into_iter()
            .flat_map(move |org| org.members.range((Bound::Unbounded, end)).rev())
            .map(|(_, id)| *id)
    }
}

pub(super) fn facts(record: Arc<Record>, orgs: &Orgs) -> Result<Facts, StoreError> {
    Ok(Facts::new(record, |name| orgs.get(name).map(|org| org.rules.clone()))?)
}

pub(super) fn swapped(done: Option<bool>) -> Swapped {
    match done {
        Some(true) => Swapped::Done,
        Some(false) => Swapped::Stale,
        None => Swapped::Gone,
    }
}

/// No code that holds a lock can panic halfway through a change.
fn lock<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}

/// Session ids are uniformly random, so their bits are a hash already. The first byte chose the
/// shard; these are the last eight.
#[derive(Default)]
struct TakeBits(u64);

impl Hasher for TakeBits {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
