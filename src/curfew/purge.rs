//! Deleting records that are no longer needed.

use std::sync::{Arc, Weak};

use tokio::task::yield_now;

use super::error::Error;
use super::handle::{Curfew, Inner};
use crate::meter;

/// Small enough that a batch does not keep a store busy for long.
const BATCH: u32 = 250;

impl Curfew {
    /// Deletes the records that are no longer needed, in batches, and returns their number.
    ///
    /// The handle also does this by itself from time to time.
    ///
    /// # Errors
    ///
    /// Fails if the store does not answer. Records that were deleted by then stay deleted.
    pub async fn purge(&self) -> Result<u64, Error> {
        let mut total = 0;
        loop {
            let purged = self.ask(self.inner.store.purge(self.now(), BATCH)).await?;
            meter::purged(purged);
            total += purged;
            if purged < u64::from(BATCH) {
                return Ok(total);
            }
            yield_now().await;
        }
    }
}

/// Purges in the background from the first use of the handle on, as long as it lives.
pub(super) fn keep_running(curfew: &Curfew) {
    let inner = &curfew.inner;
    inner.purging.start(|| Some(run(Arc::downgrade(inner), inner.purge_every?)));
}

async fn run(inner: Weak<Inner>, every: std::time::Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        match (Curfew { inner }).purge().await {
            Ok(purged) => tracing::debug!(purged, "purged sessions"),
            Err(error) => {
                tracing::warn!(error = %error.with_causes(), "sessions could not be purged");
            }
        }
    }
}
