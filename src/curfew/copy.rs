//! This node's copy of all rules, shared by all clones of a handle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Mutex;

use crate::policy::{Filed, RulesChanged, RulesCopy};
use crate::session::Revision;

/// The copy of all rules that a node judges by, and who is about to renew it.
#[derive(Default)]
pub(super) struct NodeRules {
    copy: RwLock<RulesCopy>,
    /// That of the copy, for whoever needs nothing else of it.
    revision: AtomicU64,
    /// How often it was begun to renew the copy.
    pub(super) begun: AtomicU64,
    /// Whoever holds this asks the store; the others wait for what comes of it.
    pub(super) turn: Mutex<LastTurn>,
}

/// How the last renewal went.
#[derive(Default)]
pub(super) struct LastTurn {
    pub(super) number: u64,
    /// The revision that the copy was at then; `None` if it failed.
    pub(super) reached: Option<Revision>,
}

impl NodeRules {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, RulesCopy> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn revision(&self) -> Revision {
        Revision::from_u64(self.revision.load(Ordering::SeqCst))
    }

    /// Files what has changed since the copy was at this revision.
    pub(super) fn file(&self, asked: Revision, answer: RulesChanged) -> Filed {
        self.write(|copy| copy.file(asked, answer))
    }

    /// Forgets all rules, unless somebody else has done so since the copy was at this revision.
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
