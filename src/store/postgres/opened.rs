//! A connection that was just opened.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use super::connector::Connector;
use super::open_failure::OpenFailure;
use super::server::{self, Facts};

/// A connection, and the facts about its server. Dropping it closes it.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) pump: PumpTask,
    pub(super) facts: Facts,
    /// The number of the primary that it leads to.
    pub(super) primary: u64,
    /// The number of this connection: how many were opened up to it.
    pub(super) number: u64,
}

impl Opened {
    /// Opens a connection to a single address, if that server accepts writes.
    pub(super) async fn at(
        connector: &Connector,
        address: &Config,
        wake: &Arc<Notify>,
    ) -> Result<Self, OpenFailure> {
        let (client, pump) = connector.open(address).await?;
        let wake = wake.clone();
        // Dropping the client stops it: it then sends a goodbye message to the server.
        let pump = PumpTask(tokio::spawn(async move {
            let _ = pump.await;
            wake.notify_one();
        }));
        let facts = server::facts(&client, connector.peer).await?;
        Ok(Self { client, pump, facts, primary: 0, number: 0 })
    }

    /// Sends a goodbye message to the server, and waits until it is sent.
    pub(super) async fn close(self) {
        drop(self.client);
        self.pump.ends().await;
    }
}

/// The task that moves the bytes of a connection. It ends when this is dropped.
pub(super) struct PumpTask(JoinHandle<()>);

impl PumpTask {
    /// Waits until a connection whose client was dropped is closed.
    pub(super) async fn ends(mut self) {
        let _ = tokio::time::timeout(MAX_GOODBYE, &mut self.0).await;
    }

    /// Closes the connection without a goodbye message, which would have to wait.
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
