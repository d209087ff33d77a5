//! The task that opens a connection, watches it, and opens it again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_postgres::Error;

use super::asked::Peer;
use super::connection::{Live, Sharing};
use super::connections::State;
use super::connector::Connector;
use super::error::ServerMessage;
use super::statements::Sql;

/// Keeps one connection open, until it is aborted. `first` are the statements that no call shall
/// wait for.
pub(super) async fn keep(
    connector: Arc<Connector>,
    sharing: Sharing,
    first: Arc<[Sql]>,
    state: watch::Sender<State>,
    freed: Arc<Notify>,
) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match tokio::time::timeout(MAX_TIME_TO_OPEN, open(&connector, sharing, &first)).await {
            Ok(Ok((live, pump))) => {
                pause = SHORTEST_PAUSE;
                state.send_replace(State::Open(live.clone()));
                freed.notify_waiters();
                watch_over(&live, pump, &freed).await;
                state.send_replace(State::Opening);
                tracing::warn!("a connection of the session store broke; it is opened again");
            }
            failed => {
                let said = match failed {
                    Ok(Err(error)) => ServerMessage::of(&error),
                    _ => ServerMessage::timeout(),
                };
                state.send_replace(State::Down(Arc::new(said)));
                freed.notify_waiters();
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}

async fn open(
    connector: &Connector,
    sharing: Sharing,
    first: &[Sql],
) -> Result<(Arc<Live>, JoinHandle<()>), Error> {
    let (client, pump) = connector.open().await?;
    // Who waits for a lock on the whole table, or for somebody else's row, must not take up a
    // connection, and here not one more each time that it is tried.
    let waits_briefly = "SET lock_timeout = '1s'";
    let live = Arc::new(Live::new(sharing, client, connector.peer));
    let closed = Arc::downgrade(&live);
    // The clients' end is what stops it: then it says goodbye to the server.
    let pump = Aborted(tokio::spawn(async move {
        let _ = pump.await;
        if let Some(live) = closed.upgrade() {
            live.wake.notify_one();
        }
    }));
    if connector.peer == Peer::Server {
        live.client.batch_execute(waits_briefly).await?;
        for sql in first {
            live.prepare(sql).await?;
        }
    }
    Ok((live, pump.keep()))
}

/// A task that ends if it is not kept.
struct Aborted(JoinHandle<()>);

impl Aborted {
    fn keep(mut self) -> JoinHandle<()> {
        std::mem::replace(&mut self.0, tokio::spawn(async {}))
    }
}

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns when the connection is of no more use.
async fn watch_over(live: &Live, pump: JoinHandle<()>, freed: &Notify) {
    loop {
        let _ = tokio::time::timeout(CHECK_EVERY, live.wake.notified()).await;
        if live.client.is_closed() {
            return;
        }
        let abandoned = live.abandoned.swap(0, Ordering::AcqRel);
        if live.is_idle() {
            continue;
        }
        // Answers come in the order of the questions, so with this one all those before are there.
        let question = match live.sharing {
            Sharing::Exclusive
                if abandoned != 0 && live.in_transaction.swap(false, Ordering::AcqRel) =>
            {
                "ROLLBACK"
            }
            _ => "",
        };
        let answer = tokio::time::timeout(
            live.sharing.time_to_answer(),
            live.client.batch_execute(question),
        );
        if !matches!(answer.await, Ok(Ok(()))) {
            // All who wait for it hear of it. It may hang, so there is no goodbye; but it is closed
            // before the next one is opened.
            pump.abort();
            let _ = pump.await;
            return;
        }
        if abandoned != 0 {
            live.make_room(abandoned);
            freed.notify_waiters();
        }
    }
}

/// As long as a connection may take to be opened.
pub(super) const MAX_TIME_TO_OPEN: Duration = Duration::from_secs(5);

const CHECK_EVERY: Duration = Duration::from_secs(1);

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
