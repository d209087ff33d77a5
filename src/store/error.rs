//! The error of a store.

use std::error::Error as StdError;

use crate::encoding::Unreadable;

/// The error of a store that does not know the answer: it is down, slow, or damaged. The cause is
/// its [`source`](StdError::source).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
    is_unacknowledged: bool,
}

impl StoreError {
    /// Makes an error with a cause. Neither may contain a secret, a user, or an address.
    pub fn new(message: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { message, source: Some(source.into()), is_unacknowledged: false }
    }

    /// Makes an error without a cause.
    pub const fn message(message: &'static str) -> Self {
        Self { message, source: None, is_unacknowledged: false }
    }

    /// Makes an error for a change that is made, but not confirmed by as many machines as required.
    pub const fn unacknowledged(message: &'static str) -> Self {
        Self { message, source: None, is_unacknowledged: true }
    }

    /// Whether the change is made, but not confirmed by as many machines as required.
    ///
    /// It is lost if the machine that has it is lost first. Repeat the call to confirm it.
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
