//! Reading sessions and rules.

use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLockReadGuard};

use super::open::{SHARDS, Shard, Tables, lock};
use crate::clock::Timestamp;
use crate::policy::{ChangedRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};
use crate::store::contract::{Listed, Loaded, Page};

pub(super) fn load(tables: &Tables, id: SessionId) -> Option<Loaded> {
    let rules = tables.rules_revision();
    let record = tables.shard(id).find(id)?.clone();
    Some(Loaded { record, rules, clock: None })
}

impl Tables {
    pub(super) fn rules_revision(&self) -> Revision {
        Revision::from_u64(self.rules_revision.load(Ordering::Acquire))
    }

    pub(super) fn shard(&self, id: SessionId) -> RwLockReadGuard<'_, Shard> {
        lock(self.shards[shard_of(id)].read())
    }

    pub(super) fn records_of(&self, shard: usize) -> Vec<Arc<Record>> {
        lock(self.shards[shard].read()).records.iter().cloned().collect()
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = RwLockReadGuard<'_, Shard>> {
        self.shards.iter().map(|shard| lock(shard.read()))
    }
}

impl Shard {
    pub(super) fn find(&self, id: SessionId) -> Option<&Arc<Record>> {
        self.records.find(hash(id), |record| record.id() == id)
    }
}

pub(super) fn shard_of(id: SessionId) -> usize {
    usize::from(id.as_bytes()[0]) % SHARDS
}

/// Session ids are uniformly random, so their bits are already a hash. The first byte selects the
/// shard; these are the last eight.
pub(super) fn hash(id: SessionId) -> u64 {
    u64::from_le_bytes(*id.as_bytes().last_chunk().expect("an id has 16 bytes"))
}

pub(super) fn list(tables: &Tables, key: &Key, page: Page) -> Listed {
    let rules = tables.rules_revision();
    let digest = key.digest();
    let (created, id) = page.after.unwrap_or(LAST);
    let at_most = page.at_most as usize;
    let places = tables
        .index()
        .below((digest, created, id))
        .take_while(|(entry, ..)| *entry == digest)
        .take(at_most)
        .map(|(_, created, id)| (created, id))
        .collect::<Vec<_>>();
    let next = places.last().copied().filter(|_| places.len() == at_most);
    let living = |record: &Arc<Record>| !record.has_ended() && record.is_under(key);
    let records = places
        .into_iter()
        .filter_map(|(_, id)| tables.shard(id).find(id).cloned())
        .filter(living)
        .collect();
    Listed { records, unreadable: 0, next, rules, clock: None }
}

/// After every place that a record can have in a list.
pub(super) const LAST: (Timestamp, SessionId) =
    (Timestamp::NEVER, SessionId::from_bytes([0xff; 16]));

pub(super) fn rules_since(tables: &Tables, revision: Revision, at_most: u32) -> RulesChanged {
    let rules = tables.rules();
    let after = (std::ops::Bound::Excluded(revision), std::ops::Bound::Unbounded);
    let changes = rules
        .order
        .range(after)
        .take(at_most as usize)
        .map(|(_, org)| ChangedRules { org: org.clone(), rules: Ok(rules.of[org].1.clone()) })
        .collect::<Vec<_>>();
    let reaches = match changes.last() {
        Some(last) => rules.of[&last.org].0,
        None => tables.rules_revision(),
    };
    RulesChanged { changes, reaches, incarnation: tables.incarnation }
}
