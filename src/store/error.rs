//! What a store says when it does not know.

use std::error::Error as StdError;

use crate::encoding::Unreadable;

/// That a store does not know: it is down, or slow, or answers nonsense. The cause is its
/// [`source`](StdError::source).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
    is_unacknowledged: bool,
}

impl StoreError {
    /// An error with a cause. Neither may carry a secret, a user, or an address.
    pub fn new(message: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { message, source: Some(source.into()), is_unacknowledged: false }
    }

    /// An error that explains itself.
    pub const fn message(message: &'static str) -> Self {
        Self { message, source: None, is_unacknowledged: false }
    }

    /// An error that says that a change is made, and not yet known to be on as many machines as it
    /// should be.
    pub const fn unacknowledged(message: &'static str) -> Self {
        Self { message, source: None, is_unacknowledged: true }
    }

    /// Whether the change is made, and only not yet on as many machines as it should be: it is lost if
    /// the machine that has it is lost first. Make it again to know.
    pub fn is_unacknowledged(&self) -> bool {
        self.is_unacknowledged
    }
}

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> Self {
        Self::new(
            "the session store holds something that cannot be read; upgrade tower-curfew here if a \
             later version has written it, or else restore it from a backup",
            unreadable,
        )
    }
}
