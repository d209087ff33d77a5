//! What lies between the nodes and a server, and can be cut.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Passes on what comes to its port to that of a server.
pub(crate) struct Wire {
    port: u16,
    swallows: watch::Sender<bool>,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    listener: AbortHandle,
}

impl Wire {
    pub(crate) fn to(server: u16, runtime: &Handle) -> anyhow::Result<Self> {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let port = listener.local_addr()?.port();
        let (swallows, swallowed) = watch::channel(false);
        let open = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let connections = open.clone();
        let listener = runtime.spawn(async move {
            loop {
                let Ok((near, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                // If the server is down, so is the wire.
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await else {
                    continue;
                };
                // Or questions that are sent together would wait for one another.
                drop((near.set_nodelay(true), far.set_nodelay(true)));
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                let there = tokio::spawn(carry(near_in, far_out, swallowed.clone()));
                let back = tokio::spawn(carry(far_in, near_out, swallowed.clone()));
                let mut open = connections.lock().unwrap_or_else(PoisonError::into_inner);
                open.retain(|connection| !connection.is_finished());
                open.extend([there.abort_handle(), back.abort_handle()]);
            }
        });
        Ok(Self { port, swallows, open, listener: listener.abort_handle() })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, in the middle of whatever they carry. New ones are taken.
    pub(crate) fn cut(&self) {
        for connection in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            connection.abort();
        }
    }

    /// From now on nothing arrives, and nobody is told, as where a firewall has forgotten a connection.
    /// Those that have lost something stay like that.
    pub(crate) fn swallow(&self, swallows: bool) {
        self.swallows.send_replace(swallows);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, swallows: watch::Receiver<bool>) {
    let mut bytes = vec![0; 64 * 1024];
    let mut has_lost_something = false;
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        has_lost_something |= *swallows.borrow();
        if !has_lost_something && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
    if has_lost_something {
        // The other end is not told either.
        std::future::pending::<()>().await;
    }
}
