//! What is said once.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something was said already, by any clone of a handle.
#[derive(Debug, Default)]
pub(super) struct Once(AtomicBool);

impl Once {
    /// Whether this is the first time.
    pub(super) fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}
