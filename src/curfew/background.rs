//! Work of a handle that runs beside its calls.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Counts the tasks that run detached from their callers.
pub(super) struct DetachedWork(Arc<watch::Sender<usize>>);

/// A detached task, counted until this guard is dropped.
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
        // `self` holds the sender, so it cannot be gone.
        let _ = self.0.subscribe().wait_for(|under_way| *under_way == 0).await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|under_way| *under_way -= 1);
    }
}

/// A task that runs from its first use until this guard is dropped.
#[derive(Default)]
pub(super) struct BackgroundTask(OnceLock<Option<AbortHandle>>);

impl BackgroundTask {
    /// Starts the task, unless it was started before or `task` returns `None`.
    pub(super) fn start<F>(&self, task: impl FnOnce() -> Option<F>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.get_or_init(|| Some(tokio::spawn(task()?).abort_handle()));
    }

    /// Stops the task. It does not start again.
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
