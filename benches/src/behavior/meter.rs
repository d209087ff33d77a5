//! The calls of a store, counted, and failing on demand.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// What stands in front of each call of a store. Clones share what they count.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_broken: AtomicBool,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Meter {
    pub fn read(&self) -> Result<(), Broken> {
        self.0.reads.fetch_add(1, SeqCst);
        self.refuse_if_broken()
    }

    pub fn write(&self) -> Result<(), Broken> {
        self.0.writes.fetch_add(1, SeqCst);
        self.refuse_if_broken()
    }

    fn refuse_if_broken(&self) -> Result<(), Broken> {
        if self.0.is_broken.load(SeqCst) { Err(Broken) } else { Ok(()) }
    }

    pub fn break_store(&self) {
        self.0.is_broken.store(true, SeqCst);
    }

    pub fn repair_store(&self) {
        self.0.is_broken.store(false, SeqCst);
    }

    pub fn calls(&self) -> u64 {
        self.0.reads.load(SeqCst) + self.writes()
    }

    pub fn writes(&self) -> u64 {
        self.0.writes.load(SeqCst)
    }
}

/// What a broken store answers.
#[derive(Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store is broken on demand")
    }
}

impl Error for Broken {}
