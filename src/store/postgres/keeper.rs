//! The task that opens a connection, watches it, and opens it again.
//!
//! The server never has more connections than configured plus two, even if some hang. An abandoned
//! connection may still be busy on the server, for example with a commit that waits for a replica.
//! Therefore it is replaced only when the server's process is gone, and only one keeper at a time opens
//! the connection that makes sure of that. The second extra connection is a request to cancel
//! hanging work.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{Notify, watch};
use tokio_postgres::CancelToken;

use super::connection::{Live, Sharing};
use super::connections::State;
use super::connector::{MAX_TIME_TO_OPEN, Peer};
use super::hosts::Hosts;
use super::open_failure::OpenFailure;
use super::opened::{Opened, PumpTask};
use super::server::Backend;
use super::statements::Sql;

/// Keeps one connection open, until it is aborted.
pub(super) struct Keeper {
    pub(super) hosts: Arc<Hosts>,
    pub(super) sharing: Sharing,
    /// The statements that are prepared in advance, so that no call waits for them.
    pub(super) first: Arc<[Sql]>,
    /// The number of replicas that must have acknowledged changes.
    pub(super) acknowledged_by: u32,
    pub(super) state: watch::Sender<State>,
    pub(super) freed: Arc<Notify>,
    /// Notified by calls that find the connection down.
    pub(super) wanted: Arc<Notify>,
}

impl Keeper {
    pub(super) async fn keep(self) {
        let mut pause = SHORTEST_PAUSE;
        let mut predecessor = None;
        loop {
            match self.open(predecessor).await {
                Ok((live, pump)) => {
                    pause = SHORTEST_PAUSE;
                    self.is(State::Open(live.clone()));
                    let last = live.backend;
                    self.watch_over(live, pump).await;
                    predecessor = last;
                    tracing::warn!("a connection of the session store broke; it is opened again");
                }
                Err(failure) => {
                    self.hosts.failed.fetch_add(1, Ordering::AcqRel);
                    let said = Arc::new(failure.said());
                    let may_be_back = failure.is_of_a_broken_connection();
                    self.is(if may_be_back { State::Down(said) } else { State::Refused(said) });
                    tokio::time::sleep(SHORTEST_PAUSE).await;
                    let _ = tokio::time::timeout(pause, self.wanted.notified()).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
    }

    fn is(&self, state: State) {
        self.state.send_replace(state);
        self.freed.notify_waiters();
    }

    async fn open(
        &self,
        predecessor: Option<Backend>,
    ) -> Result<(Arc<Live>, PumpTask), OpenFailure> {
        let hosts = &self.hosts;
        let _turn = if predecessor.is_some() || hosts.are_several() {
            self.state.send_if_modified(State::waits);
            Some(hosts.turn().await)
        } else {
            None
        };
        let mut attempt = pin!(self.attempt(predecessor));
        let silent = hosts.silent.load(Ordering::Acquire);
        if silent == 0 {
            self.state.send_if_modified(State::opens);
        }
        let mut outcome = tokio::time::timeout(MAX_TIME_TO_OPEN, &mut attempt).await;
        if outcome.is_err() {
            // Calls need not wait for it. A server that hangs queues each connection, so the next
            // attempt is delayed.
            self.is(State::Refused(Arc::new(OpenFailure::Silent.said())));
            let more = MAX_TIME_TO_OPEN * (1 << silent.min(MAX_DOUBLINGS));
            outcome = tokio::time::timeout(more, attempt).await;
        }
        match outcome {
            Ok(outcome) => {
                hosts.silent.store(0, Ordering::Release);
                outcome
            }
            Err(_) => {
                hosts.silent.fetch_add(1, Ordering::AcqRel);
                Err(OpenFailure::Silent)
            }
        }
    }

    async fn attempt(
        &self,
        predecessor: Option<Backend>,
    ) -> Result<(Arc<Live>, PumpTask), OpenFailure> {
        let wake = Arc::new(Notify::new());
        let opened = self.hosts.open(&wake).await?;
        if let Some(predecessor) = predecessor {
            is_gone(predecessor, &opened).await?;
        }
        // A connection that only reads does not acknowledge changes.
        let acknowledges = self.sharing == Sharing::Exclusive;
        if acknowledges && opened.facts.acknowledged_by < self.acknowledged_by {
            return Err(OpenFailure::TooFewReplicas);
        }
        let (live, pump) = Live::new(self.sharing, self.hosts.clone(), opened, wake);
        if self.hosts.connector.peer == Peer::Server {
            for sql in &*self.first {
                live.prepare(sql).await?;
            }
        }
        Ok((Arc::new(live), pump))
    }

    /// Returns when the connection is no longer usable, and closed.
    async fn watch_over(&self, live: Arc<Live>, pump: PumpTask) {
        let cancel = live.client.cancel_token();
        let was_left = {
            let is_replaced = pin!(self.hosts.primary.is_no_longer(live.primary));
            let answers = pin!(self.answers(&live));
            matches!(select(is_replaced, answers).await, Either::Right(_))
        };
        let was_busy = !live.is_idle();
        live.leave();
        // All waiting calls get the error. It may hang, so close it without a goodbye message,
        // but before the next one is opened.
        pump.abort().await;
        self.state.send_if_modified(State::waits);
        self.freed.notify_waiters();
        drop(live);
        // The connection of a newer primary is elsewhere, and this server may be gone.
        if was_busy && was_left {
            self.cancel(&cancel).await;
        }
    }

    /// A server whose connections are all taken ends hanging work only if asked in this way.
    async fn cancel(&self, token: &CancelToken) {
        let asked = self.hosts.connector.cancel(token);
        let _ = tokio::time::timeout(MAX_TIME_TO_CANCEL, asked).await;
    }

    /// Returns when the connection is closed, or silent for too long.
    async fn answers(&self, live: &Live) {
        loop {
            let _ = tokio::time::timeout(CHECK_EVERY, live.wake.notified()).await;
            if live.client.is_closed() || live.is_left() {
                return;
            }
            let abandoned = live.abandoned.swap(0, Ordering::AcqRel);
            if live.is_idle() {
                continue;
            }
            // Answers come in the order of the queries, so all earlier answers have arrived with
            // this one.
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
            match answer.await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    live.is_silent.store(true, Ordering::Release);
                    return;
                }
            }
            if abandoned != 0 {
                live.make_room(abandoned);
                self.freed.notify_waiters();
            }
        }
    }
}

/// Ends the server's process of the previous connection, and waits until it is gone. Behind a
/// pooler, it may already serve another client, which then reconnects.
async fn is_gone(predecessor: Backend, opened: &Opened) -> Result<(), OpenFailure> {
    if predecessor.server != opened.facts.server {
        return Ok(());
    }
    let ends = async {
        while !predecessor.is_ended_over(&opened.client).await? {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
        Ok(())
    };
    tokio::time::timeout(MAX_TIME_TO_END, ends).await.unwrap_or(Err(OpenFailure::PredecessorStays))
}

/// The most doublings of the pause before the next attempt to reach a server that does not answer.
const MAX_DOUBLINGS: u32 = 3;

const MAX_TIME_TO_END: Duration = Duration::from_secs(4);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
const MAX_TIME_TO_CANCEL: Duration = Duration::from_secs(2);

const CHECK_EVERY: Duration = Duration::from_secs(1);

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
