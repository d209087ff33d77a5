//! Reporting changes.

use std::sync::Arc;

use super::open::Tables;
use crate::clock::Stopwatch;
use crate::store::watch::{Change, Changes, Heartbeat};

/// Each change is reported by its caller, before the call returns. So a heartbeat comes after all
/// changes made before it is sent.
pub(super) fn watch(tables: &Arc<Tables>) -> Changes {
    let store = Arc::downgrade(tables);
    tables.watchers.add(async move |told| {
        while let Some(tables) = store.upgrade()
            && told.tell(Change::Heartbeat(tables.heartbeat()))
        {
            drop(tables);
            tokio::time::sleep(Changes::HEARTBEAT).await;
        }
    })
}

impl Tables {
    pub(super) fn heartbeat(&self) -> Heartbeat {
        Heartbeat { asked: Stopwatch::start(), rules: self.rules_revision(), clock: None }
    }
}
