//! Work that goes on although nobody waits for it any more.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::OnceLock;

use tokio::task::AbortHandle;
use tracing::Instrument as _;

use super::error::Error;

/// Works to the end, also if nobody waits for the answer any more: who hangs up must not leave half
/// of it done, or all of it untold.
pub(super) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime shuts down.
            Err(cancelled) => Err(Error::unavailable(cancelled)),
        },
    }
}

/// A task that runs from the time that it is first needed until this is dropped.
#[derive(Default)]
pub(super) struct BackgroundTask(OnceLock<Option<AbortHandle>>);

impl BackgroundTask {
    /// Starts it, unless it was started before or there is none to start.
    pub(super) fn start<F>(&self, task: impl FnOnce() -> Option<F>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.get_or_init(|| Some(tokio::spawn(task()?).abort_handle()));
    }
}

impl Drop for BackgroundTask {
    fn drop(&mut self) {
        if let Some(Some(task)) = self.0.get() {
            task.abort();
        }
    }
}
