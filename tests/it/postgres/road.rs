//! A road to the server on which everything is counted, and things get stuck or lost.

use std::collections::BTreeSet;
use std::io::Result;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_postgres::config::Host;
use tower_curfew::store::PostgresOptions;

use super::support::{Schema, in_time};

pub(super) struct Road {
    url: String,
    traffic: Arc<Traffic>,
    listener: AbortHandle,
}

#[derive(Default)]
struct Traffic {
    /// Questions that whoever asks waits for the answers of, so round trips.
    asked: AtomicU64,
    trap: Mutex<Option<(u64, Trap)>>,
    statements: Mutex<BTreeSet<String>>,
    is_blocked: watch::Sender<bool>,
}

/// What happens to a question.
enum Trap {
    /// It gets stuck, and all that comes after it.
    Holds,
    /// It arrives, and the connection breaks before its answer does.
    LosesTheAnswer,
}

impl Road {
    pub(super) async fn to(schema: &Schema) -> Self {
        let config: tokio_postgres::Config = schema.url.parse().unwrap();
        let [Host::Tcp(host), ..] = config.get_hosts() else {
            panic!("a server that is reached over TCP");
        };
        let server = (host.clone(), config.get_ports().first().copied().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let traffic = Arc::<Traffic>::default();
        let begun = traffic.clone();
        let listener = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(server.clone()).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                let breaks = Arc::<AtomicBool>::default();
                tokio::spawn(there(begun.clone(), near_in, far_out, breaks.clone()));
                tokio::spawn(back(begun.clone(), far_in, near_out, breaks));
            }
        });
        let user = config.get_user().unwrap();
        let password = config.get_password().map(|password| {
            format!(":{}", std::str::from_utf8(password).expect("a password that is text"))
        });
        let password = password.unwrap_or_default();
        let database = config.get_dbname().unwrap_or(user);
        let name = &schema.name;
        // Unencrypted, or nothing could be counted.
        let url = format!(
            "postgres://{user}{password}@127.0.0.1:{port}/{database}?sslmode=disable&\
             application_name={name}"
        );
        Self { url, traffic, listener: listener.abort_handle() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn options(&self, schema: &Schema) -> PostgresOptions {
        schema.options_at(&self.url)
    }

    /// How many round trips something takes, if nothing else is under way.
    pub(super) async fn count<T>(&self, call: impl Future<Output = T>) -> (u64, T) {
        let before = self.asked();
        let answer = call.await;
        (self.asked() - before, answer)
    }

    fn asked(&self) -> u64 {
        self.traffic.asked.load(Ordering::SeqCst)
    }

    /// The statements that were prepared.
    pub(super) fn statements(&self) -> BTreeSet<String> {
        self.traffic.statements.lock().unwrap().clone()
    }

    pub(super) fn block(&self) {
        self.traffic.is_blocked.send_replace(true);
    }

    /// Lets everything through from now on.
    pub(super) fn open(&self) {
        *self.traffic.trap.lock().unwrap() = None;
        self.traffic.is_blocked.send_replace(false);
    }

    /// Stops the last of so many questions from now on.
    pub(super) fn hold(&self, questions: u64) {
        self.set(questions, Trap::Holds);
    }

    /// Waits until the question has come that is to be stopped.
    pub(super) async fn holds(&self) {
        let mut is_blocked = self.traffic.is_blocked.subscribe();
        let _ = in_time(is_blocked.wait_for(|is_blocked| *is_blocked)).await;
    }

    /// Breaks the connection instead of answering the last of so many questions from now on.
    pub(super) fn lose_answer(&self, questions: u64) {
        self.set(questions, Trap::LosesTheAnswer);
    }

    /// Whether what was to happen is still to come.
    pub(super) fn waits(&self) -> bool {
        self.traffic.trap.lock().unwrap().is_some()
    }

    fn set(&self, questions: u64, trap: Trap) {
        *self.traffic.trap.lock().unwrap() = Some((self.asked() + questions, trap));
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Traffic {
    fn is_asked(&self, breaks: &AtomicBool) {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        match self.trap.lock().unwrap().take_if(|(question, _)| *question == asked) {
            Some((_, Trap::Holds)) => drop(self.is_blocked.send_replace(true)),
            Some((_, Trap::LosesTheAnswer)) => breaks.store(true, Ordering::SeqCst),
            None => {}
        }
    }

    async fn is_open(&self) {
        let _ = self.is_blocked.subscribe().wait_for(|is_blocked| !is_blocked).await;
    }
}

async fn there(
    traffic: Arc<Traffic>,
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    breaks: Arc<AtomicBool>,
) {
    let mut from = BufReader::new(from);
    // What belongs together is passed on together, or what is stopped would arrive in part.
    let (mut batch, mut is_first) = (Vec::new(), true);
    while let Ok((kind, begins)) = read(&mut from, is_first, &mut batch).await {
        is_first = false;
        let body = &batch[begins..];
        match kind {
            b'P' => {
                let text = body.split(|byte| *byte == 0).nth(1).unwrap();
                let text = String::from_utf8_lossy(text).into_owned();
                traffic.statements.lock().unwrap().insert(text);
                continue;
            }
            b'B' | b'C' | b'D' | b'E' => continue,
            b'S' => traffic.is_asked(&breaks),
            // An empty one is that of somebody who looks whether the connection is still there.
            b'Q' if body != b"\0" => traffic.is_asked(&breaks),
            _ => {}
        }
        traffic.is_open().await;
        if to.write_all(&batch).await.is_err() {
            return;
        }
        batch.clear();
    }
}

/// Reads one message, and says of which kind it is, and where its body begins. The first one of a
/// connection has no kind.
async fn read(
    from: &mut BufReader<OwnedReadHalf>,
    is_first: bool,
    batch: &mut Vec<u8>,
) -> Result<(u8, usize)> {
    let mut kind = 0;
    if !is_first {
        kind = from.read_u8().await?;
        batch.push(kind);
    }
    let length = from.read_u32().await?;
    batch.extend(length.to_be_bytes());
    let begins = batch.len();
    batch.resize(begins + length as usize - 4, 0);
    from.read_exact(&mut batch[begins..]).await?;
    Ok((kind, begins))
}

async fn back(
    traffic: Arc<Traffic>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    breaks: Arc<AtomicBool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        traffic.is_open().await;
        if breaks.load(Ordering::SeqCst) || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
