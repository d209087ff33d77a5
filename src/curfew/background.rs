//! What a handle has going on besides the calls that somebody waits for.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How much work is under way that its callers need not wait for.
pub(super) struct DetachedWork(Arc<watch::Sender<usize>>);

/// One piece of it, until this is dropped.
pub(super) struct UnderWay(Arc<watch::Sender<usize>>);

impl DetachedWork {
    pub(super) fn none() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(super) fn begin(&self) -> UnderWay {
        self.0.send_modify(|under_way| *under_way += 1);
        UnderWay(self.0.clone())
    }

    pub(super) async fn finished(&self) {
        // Its sender is `self`, so it cannot be gone.
        let _ = self.0.subscribe().wait_for(|under_way| *under_way == 0).await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|under_way| *under_way -= 1);
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

    /// Stops it. It is not started again.
    pub(super) fn stop(&self) {
        if let Some(task) = self.0.get_or_init(|| None) {
            task.abort();
        }
    }
}

impl Drop for BackgroundTask {
    fn drop(&mut self) {
        self.stop();
    }
}
