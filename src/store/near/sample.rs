//! Checks some answers of the cache against the store, to see whether the cache keeps its bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use time::Duration;
use tokio::time::sleep;

use super::Shared;
use crate::clock::Stopwatch;
use crate::meter;
use crate::store::contract::{Loaded, Store};

#[derive(Default)]
pub(super) struct Samples {
    told: AtomicU32,
    /// One check at a time, to spare a slow store.
    is_busy: AtomicBool,
    /// In microseconds, the longest so far.
    stalest: AtomicI64,
    is_off: AtomicBool,
}

/// One of this many answers is checked.
const ONE_OF: u32 = 512;

const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(5);

impl Samples {
    pub(super) fn is_due(&self) -> bool {
        (self.told.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(ONE_OF)
            && !self.is_busy.swap(true, Ordering::Acquire)
    }

    pub(super) fn is_off(&self) -> bool {
        self.is_off.load(Ordering::Relaxed)
    }

    pub(super) fn stalest(&self) -> Duration {
        Duration::microseconds(self.stalest.load(Ordering::Relaxed))
    }
}

/// Loads a session again that the cache has answered.
pub(super) fn again<S: Store>(shared: &Arc<Shared<S>>, told: &Loaded) {
    let (shared, told) = (shared.clone(), told.clone());
    tokio::spawn(async move {
        measure(&shared, &told).await;
        shared.samples.is_busy.store(false, Ordering::Release);
    });
}

/// If the store has another revision by now, measures for how long the cache still answers the old
/// one.
async fn measure<S: Store>(shared: &Arc<Shared<S>>, told: &Loaded) {
    let Ok(there) = shared.store.load(told.record.id()).await else { return };
    // Neither activity nor ends by rules are reported. With current rules, the entry of a session
    // that they have ended is rejected.
    let is_quiet = |there: &Loaded| {
        there.rules != told.rules || there.record.differs_by_activity_alone(&told.record)
    };
    if there.as_ref().is_some_and(is_quiet) {
        return;
    }
    let told = &told.record;
    let known = Stopwatch::start();
    let mut stale = Duration::ZERO;
    while shared
        .cache
        .get(told.id(), shared.age.elapsed())
        .is_some_and(|again| again.record.revision() == told.revision())
    {
        stale = known.elapsed();
        if shared.cache.promises_less_than(stale) {
            shared.samples.is_off.store(true, Ordering::Relaxed);
            tracing::error!(
                stale = stale.as_seconds_f64(),
                "sessions are cached no more: one that has changed was told for longer than the bound; \
                 please report this to tower-curfew"
            );
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    meter::near_staleness(stale);
    let micros = i64::try_from(stale.whole_microseconds()).unwrap_or(i64::MAX);
    shared.samples.stalest.fetch_max(micros, Ordering::Relaxed);
}
