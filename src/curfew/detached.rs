//! Work that goes on although nobody waits for it any more.

use std::future::Future;
use std::panic::resume_unwind;

use tracing::Instrument as _;

use super::error::Error;
use super::handle::Curfew;

impl Curfew {
    /// Works to the end, also if nobody waits for the answer any more: who hangs up must not leave half
    /// of it done, or all of it untold.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let under_way = self.inner.detached.begin();
        let work = async move {
            let answer = work.await;
            drop(under_way);
            answer
        };
        match tokio::spawn(work.in_current_span()).await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime shuts down.
                Err(cancelled) => Err(Error::unavailable(cancelled)),
            },
        }
    }

    /// Stops what runs in the background, and waits for what goes on although whoever asked for it has
    /// hung up, such as to end many sessions. Call it when the server has stopped:
    ///
    /// ```no_run
    /// # #[cfg(feature = "axum")]
    /// # async fn example(curfew: tower_curfew::Curfew, app: axum::Router) -> std::io::Result<()> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    /// # async fn your_signal() {}
    /// axum::serve(listener, app.layer(curfew.layer()))
    ///     .with_graceful_shutdown(your_signal())
    ///     .await?;
    /// curfew.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Nothing else has to be written: what a response said was in the store before. Each call of the
    /// store ends with its [timeout](crate::Builder::timeout), so this takes no longer than what is
    /// under way. The handle can still be used, but it does not purge by itself any more, and tells nobody
    /// that a session has [`ended`](Self::ended).
    pub async fn shutdown(&self) {
        self.inner.purging.stop();
        self.inner.watching.stop();
        self.inner.detached.finished().await;
    }
}
