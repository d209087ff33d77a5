//! The cache: its entries, and when they may be used.
//!
//! Nothing here waits or reads a clock: times are counted from the creation of the cache.
//!
//! - A load remembers the mark that its id had when it *began*. When a session is reported as
//!   changed, its mark changes and its entry is removed, so the results of loads under way are not
//!   kept.
//! - A heartbeat comes after all changes that were made before the store was asked for it. At that
//!   time no entry was stale, so an entry is used only for a bounded time after it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache as Entries, DefaultLifecycle};

use time::Duration;

use super::hasher::IdHasher;
use crate::clock::Timestamp;
use crate::session::{Record, Revision, SessionId};
use crate::store::contract::Loaded;

pub(super) struct Cache {
    bound: i64,
    entries: Entries<SessionId, Entry, UnitWeighter, IdHasher>,
    /// Each id has one of these marks, shared with other ids: a change of one session makes loads
    /// of the others that are under way keep nothing. Existing entries do not depend on the mark:
    /// where sessions change all the time, each mark changes every other second.
    marks: Box<[AtomicU64]>,
    /// The same for all ids.
    epoch: AtomicU64,
    /// All changes up to this time are known, in microseconds; negative if there is no such time.
    caught_up: AtomicI64,
    /// No entry is used unless all changes up to this time are known.
    not_before: AtomicI64,
    /// How far the store's clock is ahead of the time here, in milliseconds, or `NO_CLOCK`.
    clock: AtomicI64,
    rules: Rules,
    /// Held while an entry is replaced or removed.
    filling: Box<[Mutex<()>]>,
}

/// The latest known revision of all rules.
#[derive(Default)]
struct Rules {
    revision: AtomicU64,
    /// The time of the answer that contained it.
    since: Mutex<i64>,
}

#[derive(Clone)]
struct Entry {
    record: Arc<Record>,
    epoch: u64,
}

/// The state that may change between the beginning of a load and the use of its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    epoch: u64,
    id: u64,
}

/// The beginning of a load.
pub(super) struct Ticket {
    id: SessionId,
    mark: Mark,
}

const MARKS: usize = 1 << 14;
const FILLING: usize = 64;
const NO_CLOCK: i64 = i64::MIN;
const NEVER: i64 = i64::MIN / 2;

impl Cache {
    pub(super) fn new(bound: Duration, entries: usize) -> Self {
        Self::with_marks(bound, entries, MARKS)
    }

    fn with_marks(bound: Duration, entries: usize, marks: usize) -> Self {
        let lifecycle = DefaultLifecycle::default();
        let room = entries as u64;
        Self {
            bound: micros(bound),
            entries: Entries::with(entries, room, UnitWeighter, IdHasher::default(), lifecycle),
            marks: (0..marks).map(|_| AtomicU64::new(0)).collect(),
            epoch: AtomicU64::new(0),
            caught_up: AtomicI64::new(NEVER),
            not_before: AtomicI64::new(NEVER),
            clock: AtomicI64::new(NO_CLOCK),
            rules: Rules::default(),
            filling: (0..FILLING.min(marks)).map(|_| Mutex::default()).collect(),
        }
    }

    /// Returns a session from the cache, if it may be used without asking the store.
    pub(super) fn get(&self, id: SessionId, now: Duration) -> Option<Loaded> {
        let now = micros(now);
        let caught_up = self.caught_up.load(Ordering::SeqCst);
        let not_before = self.not_before.load(Ordering::SeqCst);
        if caught_up <= not_before || caught_up + self.bound <= now {
            return None;
        }
        let Entry { record, epoch } = self.entries.get(&id)?;
        // Checked after the entry was read, so that a change in between is not missed.
        (epoch == self.epoch.load(Ordering::SeqCst)).then(|| Loaded {
            record,
            rules: Revision::from_u64(self.rules.revision.load(Ordering::SeqCst)),
            clock: self.clock(now),
        })
    }

    /// Take it before the store is asked.
    pub(super) fn ticket(&self, id: SessionId) -> Ticket {
        Ticket { id, mark: self.mark(id) }
    }

    /// Keeps a loaded record, unless its session has changed since the load began.
    pub(super) fn fill(&self, Ticket { id, mark }: Ticket, record: &Arc<Record>) {
        let _turn = self.turn(id);
        if self.is_overtaken(id, mark) {
            return;
        }
        let epoch = mark.epoch;
        let newer =
            |there: &Entry| there.epoch == epoch && record.revision() < there.record.revision();
        if !self.entries.peek(&id).as_ref().is_some_and(newer) {
            self.entries.insert(id, Entry { record: record.clone(), epoch });
        }
    }

    fn is_overtaken(&self, id: SessionId, mark: Mark) -> bool {
        mark != self.mark(id)
    }

    /// Removes an entry that was not enough for an answer.
    pub(super) fn forget(&self, id: SessionId) {
        let _turn = self.turn(id);
        self.entries.remove(&id);
    }

    /// A session has changed, or may have.
    pub(super) fn changed(&self, id: SessionId) {
        let _turn = self.turn(id);
        self.marks[bits(id) % self.marks.len()].fetch_add(1, Ordering::SeqCst);
        self.entries.remove(&id);
    }

    /// Any session may have changed.
    pub(super) fn all_changed(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Changes may be missed from now on.
    pub(super) fn lost(&self) {
        self.caught_up.store(NEVER, Ordering::SeqCst);
        self.all_changed();
    }

    /// All changes up to the time at which the store was asked are known.
    pub(super) fn caught_up(&self, asked: Duration, clock: Option<Timestamp>) {
        let millis = |time: Timestamp| time.unix_millis() - micros(asked) / 1000;
        self.clock.store(clock.map_or(NO_CLOCK, millis), Ordering::SeqCst);
        self.caught_up.fetch_max(micros(asked), Ordering::SeqCst);
    }

    /// Uses no entry until all changes up to now are known.
    pub(super) fn wait_for_changes(&self, now: Duration) {
        self.not_before.fetch_max(micros(now), Ordering::SeqCst);
    }

    /// Notes the revision of the rules in an answer.
    pub(super) fn rules_stand(&self, revision: Revision, asked: Duration, now: Duration) {
        let mut since = lock(&self.rules.since);
        let known = self.rules.revision.load(Ordering::SeqCst);
        let (revision, asked) = (revision.as_u64(), micros(asked));
        let are_lost = revision < known && *since < asked;
        if known < revision || are_lost {
            self.rules.revision.store(revision, Ordering::SeqCst);
            *since = micros(now);
        }
        if are_lost {
            // Sessions may have changed, too.
            self.all_changed();
        }
    }

    /// The time since all changes were known.
    pub(super) fn behind(&self, now: Duration) -> Option<Duration> {
        let caught_up = self.caught_up.load(Ordering::SeqCst);
        (caught_up != NEVER).then(|| now - Duration::microseconds(caught_up))
    }

    pub(super) fn promises_less_than(&self, stale: Duration) -> bool {
        self.bound < micros(stale)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn mark(&self, id: SessionId) -> Mark {
        Mark {
            epoch: self.epoch.load(Ordering::SeqCst),
            id: self.marks[bits(id) % self.marks.len()].load(Ordering::SeqCst),
        }
    }

    fn turn(&self, id: SessionId) -> MutexGuard<'_, ()> {
        lock(&self.filling[bits(id) % self.filling.len()])
    }

    fn clock(&self, now: i64) -> Option<Timestamp> {
        let ahead = self.clock.load(Ordering::SeqCst);
        (ahead != NO_CLOCK).then(|| Timestamp::from_unix_millis(ahead + now / 1000))
    }
}

/// Other bits than those by which entries are found.
fn bits(id: SessionId) -> usize {
    usize::from(u16::from_le_bytes([id.as_bytes()[0], id.as_bytes()[1]]))
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.whole_microseconds()).unwrap_or(i64::MAX / 2)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod search;
#[cfg(test)]
mod tests;
