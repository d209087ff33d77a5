//! Work that continues after its caller has gone.

use std::future::Future;
use std::panic::resume_unwind;

use tracing::Instrument as _;

use super::error::Error;
use super::handle::Curfew;

impl Curfew {
    /// Runs a future to its end, even if the caller stops waiting. A client that disconnects must
    /// not leave half of the work done, or its result unreported.
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
                // The runtime is shutting down.
                Err(cancelled) => Err(Error::unavailable(cancelled)),
            },
        }
    }

    /// Stops background tasks, and waits for work whose caller has disconnected.
    ///
    /// An example of such work is ending many sessions. Call this after the server has stopped:
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
    /// Nothing else has to be saved: the store had each change before its response was sent. Each
    /// store call has a [timeout](crate::Builder::timeout), so the wait is as short as the
    /// remaining work. The handle can still be used, but it no longer purges by itself, and it no
    /// longer reports that a session has [`ended`](Self::ended).
    pub async fn shutdown(&self) {
        self.inner.purging.stop();
        self.inner.watching.stop();
        self.inner.detached.finished().await;
    }
}
