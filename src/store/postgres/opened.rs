//! A connection that was just opened.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use super::connector::Connector;
use super::open_failure::OpenFailure;
use super::server::{self, Facts};

/// A connection, and what its server said of itself. If it is dropped, it is closed.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) pump: PumpTask,
    pub(super) facts: Facts,
    /// The number of the primary that it leads to.
    pub(super) primary: u64,
    /// How many were opened up to this one.
    pub(super) number: u64,
}

impl Opened {
    /// Opens one to a single address, if that takes writes.
    pub(super) async fn at(
        connector: &Connector,
        address: &Config,
        wake: &Arc<Notify>,
    ) -> Result<Self, OpenFailure> {
        let (client, pump) = connector.open(address).await?;
        let wake = wake.clone();
        // The client's end is what stops it: then it says goodbye to the server.
        let pump = PumpTask(tokio::spawn(async move {
            let _ = pump.await;
            wake.notify_one();
        }));
        let facts = server::facts(&client, connector.peer).await?;
        Ok(Self { client, pump, facts, primary: 0, number: 0 })
    }

    /// Says goodbye to the server, and waits until it is said.
    pub(super) async fn close(self) {
        drop(self.client);
        self.pump.ends().await;
    }
}

/// The task that moves the bytes of a connection. It ends with this.
pub(super) struct PumpTask(JoinHandle<()>);

impl PumpTask {
    /// Waits until a connection whose client was dropped is closed.
    pub(super) async fn ends(mut self) {
        let _ = tokio::time::timeout(MAX_GOODBYE, &mut self.0).await;
    }

    /// Closes the connection without a goodbye, for which it would have to wait.
    pub(super) async fn abort(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for PumpTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const MAX_GOODBYE: Duration = Duration::from_secs(1);
