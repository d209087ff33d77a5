//! This node's copy of all rules, shared by all clones of a handle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Mutex;

use crate::policy::{Filed, RulesChanged, RulesCopy};
use crate::session::Revision;

/// The node's copy of all rules, and the state of its renewal.
#[derive(Default)]
pub(super) struct NodeRules {
    copy: RwLock<RulesCopy>,
    /// The revision of the copy, for callers that need nothing else.
    revision: AtomicU64,
    /// How many renewals have begun.
    pub(super) begun: AtomicU64,
    /// The caller that holds this lock asks the store; the others wait for its result.
    pub(super) turn: Mutex<LastTurn>,
}

/// The result of the last renewal.
#[derive(Default)]
pub(super) struct LastTurn {
    pub(super) number: u64,
    /// The revision that the copy reached; `None` if the renewal failed.
    pub(super) reached: Option<Revision>,
}

impl NodeRules {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, RulesCopy> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn revision(&self) -> Revision {
        Revision::from_u64(self.revision.load(Ordering::SeqCst))
    }

    /// Stores the changes since the copy was at this revision.
    pub(super) fn file(&self, asked: Revision, answer: RulesChanged) -> Filed {
        self.write(|copy| copy.file(asked, answer))
    }

    /// Forgets all rules, unless they were forgotten since the copy was at this revision.
    pub(super) fn forget(&self, revision: Revision) {
        self.write(|copy| {
            if copy.revision() == revision {
                *copy = RulesCopy::default();
            }
        });
    }

    fn write<T>(&self, change: impl FnOnce(&mut RulesCopy) -> T) -> T {
        let mut copy = self.copy.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut copy);
        self.revision.store(copy.revision().as_u64(), Ordering::SeqCst);
        outcome
    }
}
