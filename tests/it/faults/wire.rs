//! A wire between a store and its server that can be cut and slowed, and can swallow what it carries.

use std::sync::atomic::{AtomicBool, Ordering};
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
    /// For what the server says, unasked, where it tells what changes.
    push: watch::Sender<Weather>,
    open: Arc<Mutex<Vec<Open>>>,
    listener: AbortHandle,
}

/// A connection, and whether the server tells on it what changes.
type Open = (AbortHandle, Arc<AtomicBool>);

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
        let (push, pushed) = watch::channel(Weather::default());
        let open = Arc::<Mutex<Vec<Open>>>::default();
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
                let tells = Arc::<AtomicBool>::default();
                let there = Carrier { weather: watched.clone(), push: None, tells: tells.clone() };
                let back = Carrier { push: Some(pushed.clone()), ..there.clone() };
                let there = tokio::spawn(there.carry(near_in, far_out));
                let back = tokio::spawn(back.carry(far_in, near_out));
                let mut open = lock(&connections);
                open.retain(|(connection, _)| !connection.is_finished());
                open.extend([there, back].map(|task| (task.abort_handle(), tells.clone())));
            }
        });
        Ok(Self { port, weather, push, open, listener: listener.abort_handle() })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, in the middle of whatever they carry. New ones are taken.
    pub(super) fn cut(&self) {
        for (connection, _) in lock(&self.open).drain(..) {
            connection.abort();
        }
    }

    /// The same for those on which the server tells what changes, and how many they are.
    #[allow(dead_code, reason = "not all who share this are told of changes")]
    pub(super) fn cut_push(&self) -> usize {
        let tells = |(_, tells): &mut Open| tells.load(Ordering::SeqCst);
        let mut open = lock(&self.open);
        open.extract_if(.., tells).map(|(connection, _)| connection.abort()).count()
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

    /// From now on what the server tells arrives so much later.
    #[allow(dead_code, reason = "not all who share this are told of changes")]
    pub(super) fn slow_push_down(&self, by: Duration) {
        self.push.send_modify(|weather| weather.delay = by);
    }

    /// From now on nothing arrives of what the server tells.
    #[allow(dead_code, reason = "not all who share this are told of changes")]
    pub(super) fn swallow_push(&self, swallows: bool) {
        self.push.send_modify(|weather| weather.swallows = swallows);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

/// One direction of a connection.
#[derive(Clone)]
struct Carrier {
    weather: watch::Receiver<Weather>,
    /// For what comes from the server.
    push: Option<watch::Receiver<Weather>>,
    tells: Arc<AtomicBool>,
}

impl Carrier {
    async fn carry(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut bytes = vec![0; 64 * 1024];
        let mut has_lost_something = false;
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            let bytes = &bytes[..read];
            if self.push.is_none() && ["TRACKING", "LISTEN "].iter().any(|word| has(bytes, word)) {
                self.tells.store(true, Ordering::SeqCst);
            }
            let weather = self.weather();
            has_lost_something |= weather.swallows;
            sleep(weather.delay).await;
            if !has_lost_something && to.write_all(bytes).await.is_err() {
                return;
            }
        }
        if has_lost_something {
            // The other end is not told either.
            std::future::pending::<()>().await;
        }
    }

    fn weather(&self) -> Weather {
        let weather = *self.weather.borrow();
        match &self.push {
            Some(push) if self.tells.load(Ordering::SeqCst) => {
                let push = *push.borrow();
                Weather {
                    delay: weather.delay + push.delay,
                    swallows: weather.swallows || push.swallows,
                }
            }
            _ => weather,
        }
    }
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
