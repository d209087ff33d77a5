//! A wire between a store and its server that can be cut and slowed, and can swallow what it carries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// Passes on what comes to its port to that of a server.
pub(super) struct Wire {
    port: u16,
    weather: watch::Sender<Weather>,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    listener: AbortHandle,
}

/// What becomes of what a wire carries.
#[derive(Clone, Copy, Default)]
struct Weather {
    delay: Duration,
    swallows: bool,
}

impl Wire {
    pub(super) async fn to(server: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (weather, watched) = watch::channel(Weather::default());
        let open = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let connections = open.clone();
        let listener = tokio::spawn(async move {
            loop {
                let Ok((near, _)) = listener.accept().await else {
                    sleep(Duration::from_millis(10)).await;
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
                let there = tokio::spawn(carry(near_in, far_out, watched.clone()));
                let back = tokio::spawn(carry(far_in, near_out, watched.clone()));
                let mut open = lock(&connections);
                open.retain(|connection| !connection.is_finished());
                open.extend([there.abort_handle(), back.abort_handle()]);
            }
        });
        Ok(Self { port, weather, open, listener: listener.abort_handle() })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, in the middle of whatever they carry. New ones are taken.
    pub(super) fn cut(&self) {
        for connection in lock(&self.open).drain(..) {
            connection.abort();
        }
    }

    /// From now on everything arrives so much later.
    #[allow(dead_code, reason = "not all who share this slow it down")]
    pub(super) fn slow_down(&self, by: Duration) {
        self.weather.send_modify(|weather| weather.delay = by);
    }

    /// From now on nothing arrives, and nobody is told, as where a firewall has forgotten a connection.
    /// Those that have lost something stay like that.
    #[allow(dead_code, reason = "not all who share this let it swallow")]
    pub(super) fn swallow(&self, swallows: bool) {
        self.weather.send_modify(|weather| weather.swallows = swallows);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, weather: watch::Receiver<Weather>) {
    let mut bytes = vec![0; 64 * 1024];
    let mut has_lost_something = false;
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let Weather { delay, swallows } = *weather.borrow();
        has_lost_something |= swallows;
        sleep(delay).await;
        if !has_lost_something && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
    if has_lost_something {
        // The other end is not told either.
        std::future::pending::<()>().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
