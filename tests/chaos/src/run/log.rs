//! What people asked for, and what they were told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tower_curfew_checker::{Call, Entry, Log, LogError, Outcome};

use crate::rules;

/// The log of a run. Clones are the same.
#[derive(Clone)]
pub(super) struct Calls {
    began: Instant,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), entries: Arc::default() }
    }

    /// Microseconds since this log was begun.
    pub(super) fn now(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    /// Writes down a call before it is made. Nobody knows yet what comes of it.
    pub(super) fn begin(&self, call: Call, by: Option<String>) -> usize {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, ended, outcome) = (self.now(), None, Outcome::Unknown);
        entries.push(Entry { call, by, node: None, began, ended, outcome });
        entries.len() - 1
    }

    /// Writes down what came of it.
    pub(super) fn end(&self, at: usize, node: Option<String>, outcome: Outcome) {
        let ended = self.now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = &mut entries[at];
        (entry.node, entry.ended, entry.outcome) = (node, Some(ended), outcome);
    }

    /// All calls so far. Those that are not answered yet are unknown.
    pub(super) fn so_far(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn log(&self) -> Result<Log, LogError> {
        Log::new(rules::header(), self.so_far())
    }
}

/// One line each, as the checker reads them.
pub(super) fn lines(log: &Log) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(log.header())? + "\n";
    for entry in log.entries() {
        text += &serde_json::to_string(entry)?;
        text.push('\n');
    }
    Ok(text)
}
