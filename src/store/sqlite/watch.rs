//! Reporting changes: those of this process when they are committed, those of others soon after.

use std::sync::Arc;
use std::time::Duration;

use super::writer::WeakWriter;
use crate::clock::Stopwatch;
use crate::store::watch::{Change, Changes, Heartbeat, Watchers};

/// Reports changes until the watcher is gone. The file is checked for changes of other processes at
/// this interval.
pub(super) fn watch(watchers: &Arc<Watchers>, writer: WeakWriter) -> Changes {
    watchers.add(async move |told| {
        loop {
            let asked = Stopwatch::start();
            let Some(rules) = writer.look().await else { return };
            if !told.tell(Change::Heartbeat(Heartbeat { asked, rules, clock: None })) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
}

/// Several watchers share the writer's thread, and each check reads one row.
const LOOK_EVERY: Duration = Duration::from_millis(50);
