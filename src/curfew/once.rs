//! Messages that are given once.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a message was already given, by any clone of a handle.
#[derive(Debug, Default)]
pub(super) struct Once(AtomicBool);

impl Once {
    /// Whether this is the first call.
    pub(super) fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}
