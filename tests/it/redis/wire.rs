//! A wire to a server that counts round trips, and loses answers on demand.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::server::url_at;

/// Passes on what comes to its port to that of a server.
pub(super) struct Wire {
    port: u16,
    state: Arc<State>,
    listener: AbortHandle,
}

#[derive(Default)]
struct State {
    trips: AtomicU32,
    /// Which of the answers to come is lost: the next one is 1, and 0 none.
    lost: AtomicU32,
    open: Mutex<Vec<AbortHandle>>,
}

impl Wire {
    pub(super) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let shared = state.clone();
        let listener = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let carries = tokio::spawn(carry(near, far, shared.clone()));
                shared.open.lock().unwrap().push(carries.abort_handle());
            }
        });
        Self { port, state, listener: listener.abort_handle() }
    }

    pub(super) fn url(&self) -> String {
        url_at(self.port)
    }

    /// What a call answers, and how many round trips it took.
    pub(super) async fn counted<T>(&self, call: impl Future<Output = T>) -> (T, u32) {
        let before = self.state.trips.load(Ordering::SeqCst);
        let answer = call.await;
        (answer, self.state.trips.load(Ordering::SeqCst) - before)
    }

    /// The answer to the question after so many others, the next one being 1, never arrives: instead
    /// its connection breaks.
    pub(super) fn lose_answer(&self, number: u32) {
        self.state.lost.store(number, Ordering::SeqCst);
    }

    /// Whether an answer that was to be lost has been.
    pub(super) fn has_lost(&self) -> bool {
        self.state.lost.load(Ordering::SeqCst) == 0
    }

    /// Cuts every connection. New ones are taken.
    pub(super) fn cut(&self) {
        for connection in self.state.open.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn carry(mut near: TcpStream, mut far: TcpStream, state: Arc<State>) {
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.split(), far.split());
    let (mut there, mut back) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut is_asked = false;
    loop {
        let sent = tokio::select! {
            read = near_in.read(&mut there) => {
                let Ok(read @ 1..) = read else { return };
                if !is_asked {
                    state.trips.fetch_add(1, Ordering::SeqCst);
                }
                is_asked = true;
                far_out.write_all(&there[..read]).await
            }
            read = far_in.read(&mut back) => {
                let Ok(read @ 1..) = read else { return };
                if is_asked && state.loses_this() {
                    return;
                }
                is_asked = false;
                near_out.write_all(&back[..read]).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

impl State {
    fn loses_this(&self) -> bool {
        let count = |left: u32| left.checked_sub(1);
        self.lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1)
    }
}
