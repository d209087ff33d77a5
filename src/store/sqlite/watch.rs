//! Telling of changes: those of this process when they are committed, and those of others soon after.

use std::sync::Arc;
use std::time::Duration;

use super::writer::WeakWriter;
use crate::clock::Stopwatch;
use crate::store::watch::{Change, Changes, Heartbeat, Watchers};

/// Changes until nobody watches any more. Those of other processes are looked for so often.
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

/// Several of these share the thread with the changes, and each reads one row.
const LOOK_EVERY: Duration = Duration::from_millis(50);
