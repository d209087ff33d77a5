//! The background task that deletes what nobody needs any more.

use std::sync::{Arc, OnceLock, Weak};

use tokio::task::AbortHandle;

use super::audit::Hands;
use super::{Curfew, Error, Inner};

/// Few enough that no store is busy with one batch for long.
const BATCH: u32 = 250;

impl Curfew {
    /// Deletes the records that nobody needs any more, in batches, and says how many they were. The
    /// handle does so by itself from time to time.
    ///
    /// # Errors
    ///
    /// If the store does not answer. What was deleted by then stays deleted.
    pub async fn purge(&self) -> Result<u64, Error> {
        let mut total = 0;
        loop {
            let purged = self.ask(self.inner.store.purge(self.now(), BATCH)).await?;
            total += purged;
            if purged < u64::from(BATCH) {
                return Ok(total);
            }
        }
    }
}

/// Runs from the first call of the store on, as long as the handle lives.
#[derive(Default)]
pub(super) struct Purger(OnceLock<Option<AbortHandle>>);

impl Purger {
    pub(super) fn start(&self, inner: &Arc<Inner>) {
        self.0.get_or_init(|| {
            let every = inner.purge_every?;
            Some(tokio::spawn(run(Arc::downgrade(inner), every)).abort_handle())
        });
    }
}

impl Drop for Purger {
    fn drop(&mut self) {
        if let Some(Some(task)) = self.0.get() {
            task.abort();
        }
    }
}

async fn run(inner: Weak<Inner>, every: std::time::Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        match (Curfew { inner, hands: Hands::default() }).purge().await {
            Ok(purged) => tracing::debug!(purged, "purged sessions"),
            Err(error) => {
                tracing::warn!(error = %error.with_causes(), "sessions could not be purged");
            }
        }
    }
}
