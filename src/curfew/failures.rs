//! Recent failures of store calls, for health checks.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::error::Error;
use crate::clock::Timestamp;

/// A store call that failed. It names no user, no session and no address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedCall {
    /// The time of the failure, by this node's clock.
    pub at: Timestamp,
    /// The name of the method of [`Store`](crate::store::Store).
    pub call: &'static str,
    /// The error, with its causes.
    pub error: String,
}

/// The last store calls that failed, for all clones of a handle.
#[derive(Default)]
pub(super) struct Failures(Mutex<VecDeque<FailedCall>>);

/// The number of failures that are kept.
const FAILURES: usize = 8;

impl Failures {
    pub(super) fn keep(&self, at: Timestamp, call: &'static str, error: &Error) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == FAILURES {
            calls.pop_front();
        }
        calls.push_back(FailedCall { at, call, error: error.with_causes() });
    }

    pub(super) fn last(&self) -> Vec<FailedCall> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().cloned().collect()
    }
}
