//! A wire between a store and its server that can be cut and slowed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Passes on what comes to its port to that of a server.
pub(super) struct Wire {
    port: u16,
    delay: watch::Sender<Duration>,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    listener: AbortHandle,
}

impl Wire {
    pub(super) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (delay, delayed) = watch::channel(Duration::ZERO);
        let open = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let connections = open.clone();
        let listener = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                // If the server is down, so is the wire.
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await else {
                    continue;
                };
                // Or questions that are sent together would wait for one another.
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                let there = tokio::spawn(carry(near_in, far_out, delayed.clone()));
                let back = tokio::spawn(carry(far_in, near_out, delayed.clone()));
                connections.lock().unwrap().extend([there.abort_handle(), back.abort_handle()]);
            }
        });
        Self { port, delay, open, listener: listener.abort_handle() }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, in the middle of whatever they carry. New ones are taken.
    pub(super) fn cut(&self) {
        for connection in self.open.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// From now on everything arrives so much later.
    pub(super) fn slow_down(&self, by: Duration) {
        self.delay.send_replace(by);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: watch::Receiver<Duration>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let delay = *delay.borrow();
        tokio::time::sleep(delay).await;
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
