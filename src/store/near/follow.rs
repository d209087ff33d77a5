//! The task that follows the store's changes, for the cache and for all other watchers on this
//! node.

use std::sync::{Arc, Weak};

use tokio::time::{sleep, timeout};

use super::{Shared, Told};
use crate::store::contract::Store;
use crate::store::error::StoreError;
use crate::store::watch::{Change, Changes, Heartbeat};

/// Runs from the first use of the store on, as long as the store exists.
pub(super) fn keep_running<S: Store>(shared: &Arc<Shared<S>>) {
    shared.task.get_or_init(|| tokio::spawn(run(Arc::downgrade(shared))).abort_handle());
}

async fn run<S: Store>(shared: Weak<Shared<S>>) {
    let mut is_blind = false;
    loop {
        let Some(node) = shared.upgrade() else { return };
        let watched = timeout(MAX_TIME_TO_WATCH, node.store.watch()).await;
        match watched.unwrap_or(Err(SILENT)) {
            Ok(Some(changes)) => {
                is_blind = false;
                // Entries loaded before the watch began may have changed.
                node.cache.all_changed();
                node.told.send_replace(Told::Now);
                drop(node);
                follow(&shared, changes).await;
                let Some(node) = shared.upgrade() else { return };
                node.told.send_replace(Told::NotNow);
                node.cache.lost();
                node.watchers.end();
            }
            Ok(None) => {
                tracing::warn!("the session store does not tell of changes, so nothing is cached");
                node.told.send_replace(Told::Never);
                return;
            }
            Err(error) => {
                if !is_blind {
                    tracing::warn!(%error, "no session is cached: the store tells of no changes");
                }
                is_blind = true;
            }
        }
        sleep(if is_blind { TRY_AGAIN_AFTER } else { WATCH_AGAIN_AFTER }).await;
    }
}

/// Applies the store's changes, until some may be missed.
async fn follow<S: Store>(shared: &Weak<Shared<S>>, mut changes: Changes) {
    while let Some(change) = changes.next().await
        && let Some(node) = shared.upgrade()
    {
        match change {
            Change::Session(id) => node.cache.changed(id),
            Change::Any => node.cache.all_changed(),
            Change::Heartbeat(Heartbeat { asked, rules, clock }) => {
                let now = node.age.elapsed();
                let asked = now - asked.elapsed();
                node.cache.rules_stand(rules, asked, now);
                node.cache.caught_up(asked, clock);
            }
        }
        // A watcher that hears of the change now asks the store.
        node.watchers.tell(change);
    }
}

/// The same changes, once the cache knows of them.
pub(super) async fn watch<S: Store>(
    shared: &Arc<Shared<S>>,
) -> Result<Option<Changes>, StoreError> {
    keep_running(shared);
    let mut told = shared.told.subscribe();
    match told.wait_for(|told| *told != Told::NotNow).await.map(|told| *told) {
        Ok(Told::Now) => {}
        _ => return Ok(None),
    }
    let changes = shared.watchers.add(async move |told| told.closed().await);
    // Changes reported before it was added were reported before this returns.
    if *shared.told.borrow() == Told::Now { Ok(Some(changes)) } else { Err(LOST) }
}

/// A longer wait suggests a connection that silently drops data.
const MAX_TIME_TO_WATCH: std::time::Duration = std::time::Duration::from_secs(5);

const SILENT: StoreError = StoreError::message("the session store does not answer in time");

const LOST: StoreError = StoreError::message("the session store tells of no changes just now");

/// How soon a broken watch is started again.
const WATCH_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_millis(50);

/// How soon the store is asked again after an error.
const TRY_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_millis(250);
