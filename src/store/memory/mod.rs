//! A store in the memory of the process.

mod shelves;

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::shelves::{Org, Shelves};
use super::{
    Ended, Facts, Insert, OrgRules, Page, Record, Rotate, Selector, SessionId, SetOrgs, Store,
    StoreError, Swapped, Touch, Touched,
};
use crate::time::Timestamp;

/// Keeps sessions in the memory of this process: they end with it. For tests, and for single
/// processes that may forget.
///
/// It holds a bounded number of records, a million by default, ended ones within their grace
/// included, and frees by itself what is past it. Its clones share the same sessions.
#[derive(Clone)]
pub struct MemoryStore(Arc<Shelves>);

impl MemoryStore {
    /// An empty store for up to a million records.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(1_000_000)
    }

    /// An empty store for up to so many records. A sign-in beyond that is refused with an error:
    /// nobody who is signed in has to make room for it.
    #[must_use]
    pub fn with_capacity(records: usize) -> Self {
        Self(Arc::new(Shelves::new(records)))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.0.len.load(Ordering::Relaxed);
        f.debug_struct("MemoryStore").field("records", &records).finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    async fn insert(
        &self,
        mut record: Record,
        replaces: &[SessionId],
        cap: Option<u32>,
    ) -> Result<Insert, StoreError> {
        let shelves = &*self.0;
        if shelves.is_full() {
            shelves.purge(record.created, usize::MAX);
        }
        let (id, created) = (record.id, record.created);
        let mut users = shelves.users(&record.user);
        let mut orgs = shelves.orgs_mut();
        if let Some(cap) = cap {
            let ids = users.get(&record.user).map_or(&[][..], Vec::as_slice);
            let counts = |id: &SessionId| {
                !replaces.contains(id) && shelves.record(*id).is_some_and(|r| r.ended.is_none())
            };
            if cap as usize <= ids.iter().filter(|id| counts(id)).count() {
                return Ok(Insert::Full);
            }
        }
        if shelves.is_full() {
            return Err(StoreError::message(
                "the memory store is full: give it more capacity, or use a store on disk",
            ));
        }
        if shelves.record(id).is_some() {
            return Err(StoreError::message("a session with this id exists already"));
        }
        for membership in &mut record.memberships {
            let org = orgs.entry(membership.org.clone()).or_insert_with(|| Org::first(created));
            *membership = org.join(membership.org.clone(), membership.joined);
            org.members.insert((created, id));
        }
        for replaced in replaces {
            shelves.change(*replaced, |record| record.end(Ended::revoked(created)));
        }
        users.entry(record.user.clone()).or_default().push(id);
        shelves.add(record);
        Ok(Insert::Stored)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Facts>, StoreError> {
        match self.0.record(id) {
            // The rules must be those of the same moment, so they are locked first.
            Some(record) if !record.memberships.is_empty() => {
                let orgs = self.0.orgs();
                self.0.record(id).map(|record| shelves::facts(record, &orgs)).transpose()
            }
            Some(record) => Ok(Some(Facts::new(record, |_| None)?)),
            None => Ok(None),
        }
    }

    async fn touch(&self, touch: Touch) -> Result<Touched, StoreError> {
        let touched = self.0.change(touch.id, |record| touch.apply(record));
        Ok(touched.unwrap_or(Touched::Gone))
    }

    async fn rotate(&self, rotate: Rotate) -> Result<Swapped, StoreError> {
        let swapped = self.0.change(rotate.id, |record| {
            let same = record.secret_hash == rotate.old;
            if same {
                record.secret_hash = rotate.new;
                record.authenticated = rotate.authenticated.unwrap_or(record.authenticated);
            }
            same
        });
        Ok(shelves::swapped(swapped))
    }

    async fn set_orgs(&self, change: SetOrgs) -> Result<Swapped, StoreError> {
        let SetOrgs { seen, orgs: names, joined, ends_by, purge_after } = change;
        let id = seen.record().id;
        let mut orgs = self.0.orgs_mut();
        let same_rules = seen.memberships().all(|(m, rules)| {
            orgs.get(&m.org).is_some_and(|o| o.rules.revision() == rules.revision())
        });
        let swapped = self.0.change(id, |record| {
            let old = seen.record();
            let same = (&record.memberships, &record.ends_by, record.seen)
                == (&old.memberships, &old.ends_by, old.seen);
            if !(same && same_rules) {
                return false;
            }
            for membership in record.memberships.drain(..) {
                if let Some(org) = orgs.get_mut(&membership.org) {
                    org.members.remove(&(record.created, id));
                }
            }
            for name in names {
                let org = orgs.entry(name.clone()).or_insert_with(|| Org::first(joined));
                org.members.insert((record.created, id));
                let kept = old.memberships.iter().find(|membership| membership.org == name);
                record.memberships.push(kept.cloned().unwrap_or_else(|| org.join(name, joined)));
            }
            record.ends_by = ends_by;
            record.purge_after = purge_after;
            true
        });
        Ok(shelves::swapped(swapped))
    }

    async fn end(&self, which: &Selector, ended: &Ended) -> Result<u64, StoreError> {
        let frozen = self.0.freeze(which);
        let ids = frozen.few().unwrap_or_else(|| frozen.members(None).collect());
        let end = |id: &SessionId| {
            self.0.change(*id, |record| {
                let matches = which.matches(record);
                if matches {
                    record.end(ended.clone());
                }
                matches
            })
        };
        Ok(ids.iter().filter(|id| end(id) == Some(true)).count() as u64)
    }

    async fn list(&self, which: &Selector, page: Page) -> Result<Vec<Facts>, StoreError> {
        let frozen = self.0.freeze(which);
        let at_most = page.at_most as usize;
        let record = |id| self.0.record(id).filter(|record| which.matches(record));
        let records = match frozen.few() {
            Some(ids) => {
                let position = |record: &Arc<Record>| (record.created, record.id);
                let mut records = ids.into_iter().filter_map(record).collect::<Vec<_>>();
                records.retain(|record| page.after.is_none_or(|after| position(record) < after));
                records.sort_unstable_by_key(|record| Reverse(position(record)));
                records.truncate(at_most);
                records
            }
            // An organisation may have very many members: they are walked, not collected.
            None => frozen.members(page.after).filter_map(record).take(at_most).collect(),
        };
        records.into_iter().map(|record| shelves::facts(record, &frozen.orgs)).collect()
    }

    async fn org_rules(&self, org: &str) -> Result<Option<Arc<OrgRules>>, StoreError> {
        Ok(self.0.orgs().get(org).map(|org| org.rules.clone()))
    }

    async fn put_org_rules(
        &self,
        org: &str,
        expected: Option<i64>,
        rules: OrgRules,
    ) -> Result<bool, StoreError> {
        let mut orgs = self.0.orgs_mut();
        match (orgs.get_mut(org), expected) {
            (Some(org), Some(expected)) if org.rules.revision() == expected => {
                org.rules = Arc::new(rules);
            }
            (None, None) => {
                orgs.insert(org.into(), Org::with(rules));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        Ok(self.0.purge(now, at_most as usize) as u64)
    }
}
