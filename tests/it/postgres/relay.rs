//! A way to a server that leads elsewhere, or on which everything gets lost without a word.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub(super) struct Relay {
    pub(super) port: u16,
    leads_to: watch::Sender<u16>,
    /// Of the connections that are opened from now on, and of those before that share it.
    swallows: Arc<Mutex<watch::Sender<bool>>>,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    listener: AbortHandle,
}

impl Relay {
    pub(super) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (leads_to, server) = watch::channel(server);
        let swallows = Arc::new(Mutex::new(watch::Sender::new(false)));
        let swallowed = swallows.clone();
        let open = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let tasks = open.clone();
        let listener = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let server = *server.borrow();
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await else {
                    continue;
                };
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                let swallowed = swallowed.lock().unwrap().subscribe();
                let there = tokio::spawn(carry(near_in, far_out, swallowed.clone()));
                let back = tokio::spawn(carry(far_in, near_out, swallowed));
                tasks.lock().unwrap().extend([there.abort_handle(), back.abort_handle()]);
            }
        });
        Self { port, leads_to, swallows, open, listener: listener.abort_handle() }
    }

    /// Cuts all connections; new ones are to another server.
    pub(super) fn leads_to(&self, server: u16) {
        self.leads_to.send_replace(server);
        self.cut();
    }

    pub(super) fn cut(&self) {
        for task in self.open.lock().unwrap().drain(..) {
            task.abort();
        }
    }

    /// What comes is lost from now on, the end of a connection too.
    pub(super) fn swallows(&self) {
        self.swallows.lock().unwrap().send_replace(true);
    }

    /// New connections work again. Those before stay as they are, on both sides.
    pub(super) fn takes_new_ones(&self) {
        let before =
            std::mem::replace(&mut *self.swallows.lock().unwrap(), watch::Sender::new(false));
        // For ever: nobody is to hear of its end.
        std::mem::forget(before);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, swallowed: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if !*swallowed.borrow() && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
    // Neither is the end told.
    let _ = swallowed.clone().wait_for(|swallows| !swallows).await;
}
