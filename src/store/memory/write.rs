//! Changing sessions and rules.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLockWriteGuard};

use super::error::{EXISTS, FULL};
use super::open::{Index, Shard, Shared, Tables, lock};
use super::read::{LAST, hash, shard_of};
use crate::clock::Timestamp;
use crate::policy::OrgRules;
use crate::session::{Key, Record, Revision, SessionId};
use crate::store::contract::{Cap, Inserted, Replaced};
use crate::store::error::StoreError;
use crate::store::watch::Change;

pub(super) fn insert(
    tables: &Tables,
    record: Arc<Record>,
    cap: Option<Cap>,
) -> Result<Inserted, StoreError> {
    if tables.capacity <= tables.len() {
        purge(tables, record.created(), AT_ONCE);
    }
    let mut index = tables.index();
    let mut shard = tables.shard_mut(record.id());
    if let Some(same) = shard.find(record.id()) {
        let repeated = same.secret_hash() == record.secret_hash();
        return if repeated { Ok(Inserted::Done) } else { Err(EXISTS) };
    }
    if cap.is_some_and(|cap| cap.at_most as usize <= count(&index, &record, cap)) {
        return Ok(Inserted::Full);
    }
    if tables.capacity <= tables.len() {
        return Err(FULL);
    }
    tables.file(&mut index, &mut shard, record);
    Ok(Inserted::Done)
}

pub(super) fn replace(tables: &Tables, record: Arc<Record>) -> Replaced {
    let (left, entered) = (record.left_keys(), record.entered_keys());
    // Most changes leave the index as it is.
    let mut index = (!left.is_empty() || !entered.is_empty()).then(|| tables.index());
    let mut shard = tables.shard_mut(record.id());
    match shard.find(record.id()) {
        Some(current) if current.revision() == record.revision() => return Replaced::Done,
        Some(current) if current.has_ended() => return Replaced::Gone,
        Some(current) if current.revision() != record.previous() => return Replaced::Stale,
        Some(_) => {}
        None => return Replaced::Gone,
    }
    if let Some(index) = &mut index {
        left.iter().for_each(|key| index.remove(place(key, &record)));
        entered.iter().for_each(|key| index.insert(place(key, &record)));
    }
    let id = record.id();
    tables.put(&mut shard, record);
    drop((index, shard));
    tables.watchers.tell(Change::Session(id));
    Replaced::Done
}

pub(super) fn replace_rules(tables: &Tables, org: &str, new: OrgRules, now: Timestamp) -> bool {
    let mut rules = tables.rules();
    let (place, current) = match rules.of.get(org) {
        Some((place, current)) => (Some(*place), current.revision()),
        None => (None, OrgRules::none().revision()),
    };
    if current != new.previous() {
        return current == new.revision();
    }
    let revision = new.raise(tables.rules_revision(), now);
    let org: Arc<str> = org.into();
    if let Some(place) = place {
        rules.order.remove(&place);
    }
    rules.order.insert(revision, org.clone());
    rules.of.insert(org, (revision, new));
    tables.raise_rules_revision(revision);
    drop(rules);
    tables.watchers.tell(Change::Heartbeat(tables.heartbeat()));
    true
}

/// Looks only at records that are due.
pub(super) fn purge(tables: &Tables, now: Timestamp, at_most: u32) -> u32 {
    let due = tables
        .shards()
        .flat_map(|shard| {
            let due = shard.due.ascending().take_while(|(due, _)| *due <= now);
            due.map(|(_, id)| id).take(at_most as usize).collect::<Vec<_>>()
        })
        .take(at_most as usize)
        .collect::<Vec<_>>();
    let mut purged = 0;
    for id in due {
        let mut index = tables.index();
        let mut shard = tables.shard_mut(id);
        // Without the locks, it may have been used again.
        if let Some(record) = tables.take_due(&mut shard, id, now) {
            record.keys().iter().for_each(|key| index.remove(place(key, &record)));
            purged += 1;
        }
    }
    purged
}

/// The number of records that have not ended under the first key of this one.
fn count(index: &Index, record: &Record, cap: Cap) -> usize {
    let Some(key) = record.keys().first().map(|key| key.digest()) else {
        return 0;
    };
    index
        .below((key, LAST.0, LAST.1))
        .take_while(|(entry, ..)| *entry == key)
        .filter(|(.., id)| Some(*id) != cap.except)
        .take(cap.at_most as usize)
        .count()
}

fn place(key: &Key, record: &Record) -> (u64, Timestamp, SessionId) {
    (key.digest(), record.created(), record.id())
}

impl Tables {
    pub(super) fn shard_mut(&self, id: SessionId) -> RwLockWriteGuard<'_, Shard> {
        lock(self.shards[shard_of(id)].write())
    }

    /// Inserts a record that is not there yet.
    pub(super) fn file(&self, index: &mut Index, shard: &mut Shard, record: Arc<Record>) {
        record.listed_keys().iter().for_each(|key| index.insert(place(key, &record)));
        self.put(shard, record);
    }

    /// Puts a record into its shard, replacing its previous revision.
    fn put(&self, shard: &mut Shard, mut record: Arc<Record>) {
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

    /// Removes a record from its shard, if it is there and due.
    fn take_due(&self, shard: &mut Shard, id: SessionId, now: Timestamp) -> Option<Arc<Record>> {
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

    /// The caller must hold the lock on the rules.
    fn raise_rules_revision(&self, revision: Revision) {
        self.rules_revision.store(revision.as_u64(), Ordering::Release);
    }
}

impl Shard {
    fn find_mut(&mut self, id: SessionId) -> Option<&mut Arc<Record>> {
        self.records.find_mut(hash(id), |record| record.id() == id)
    }
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
    // Common values will soon be shared again.
    if known.len() == MOST_SHARED {
        known.clear();
    }
    known.insert(item.clone());
}

const MOST_SHARED: usize = 4096;

/// The number of records deleted at once: more would make others wait, since records are spread
/// over the memory.
pub(super) const AT_ONCE: u32 = 32;

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::session::SecretHash;
    use crate::store::{MemoryStore, Store as _};

    fn at(day: i64) -> Timestamp {
        Timestamp::from_unix_millis(0) + Duration::days(day)
    }

    fn filed(tables: &Tables, number: u32, due: Timestamp) -> Result<(), StoreError> {
        let spread = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let id = spread.to_le_bytes();
        let secret = SecretHash::from_bytes([7; 32]);
        let record = Record::begin(SessionId::from_bytes(id), secret, "ada", at(0), 7);
        insert(tables, Arc::new(record.with_purge_after(due)), None)
            .map(|filed| assert_eq!(filed, Inserted::Done))
    }

    fn looked_at(tables: &Tables) -> usize {
        tables.looked_at.swap(0, Ordering::Relaxed)
    }

    #[test]
    fn trap_52_a_purge_looks_at_no_record_that_is_not_due() {
        let tables = Tables::new(10_000);
        for number in 0..5_000 {
            let due = if number % 100 == 0 { at(1) } else { at(9) };
            filed(&tables, number, due).unwrap();
        }
        assert_eq!((purge(&tables, at(0), 250), looked_at(&tables)), (0, 0));
        assert_eq!((purge(&tables, at(1), 20), looked_at(&tables)), (20, 20));
        assert_eq!((purge(&tables, at(1), 250), looked_at(&tables)), (30, 30));
        assert_eq!((purge(&tables, at(8), 250), looked_at(&tables)), (0, 0));
    }

    #[tokio::test]
    async fn trap_40_a_purge_lets_others_have_their_turn() {
        let store = MemoryStore::default();
        for number in 0..1_000 {
            filed(&store.0, number, at(0)).unwrap();
        }
        let mut purge = Box::pin(store.purge(at(1), 900));
        let mut turns = 0;
        while futures_util::poll!(&mut purge).is_pending() {
            assert_eq!(looked_at(&store.0), AT_ONCE as usize);
            turns += 1;
        }
        assert_eq!((turns, looked_at(&store.0), store.0.len()), (28, 4, 100));
    }

    #[test]
    fn trap_52_a_sign_in_at_capacity_looks_at_no_record_that_is_not_due() {
        let tables = Tables::new(1_000);
        for number in 0..1_000 {
            filed(&tables, number, at(9)).unwrap();
        }
        for number in 1_000..1_100 {
            filed(&tables, number, at(9)).unwrap_err();
        }
        assert_eq!((tables.len(), looked_at(&tables)), (1_000, 0));
    }

    #[test]
    fn trap_52_a_sign_in_at_capacity_takes_the_room_of_what_is_due() {
        let tables = Tables::new(1_000);
        for number in 0..1_000 {
            filed(&tables, number, if number < 300 { at(0) } else { at(9) }).unwrap();
        }
        filed(&tables, 1_000, at(9)).unwrap();
        assert_eq!(tables.len(), 1_001 - AT_ONCE as usize);
        assert_eq!(looked_at(&tables), AT_ONCE as usize);
    }
}
