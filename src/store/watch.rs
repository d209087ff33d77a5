//! Reports of changes as they happen.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

use crate::clock::{Stopwatch, Timestamp};
use crate::session::{Revision, SessionId};

/// A message of a [watched](super::Store::watch) store. Exhaustive: stores construct it.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// The record of this session was replaced. A store need not report
    /// [quiet](super::Record::is_quiet) changes.
    Session(SessionId),
    /// Records were replaced, and the store does not know which.
    Any,
    /// The state of the store, [twice a second](Changes::HEARTBEAT) or more. It is also sent at
    /// once after a change of rules.
    Heartbeat(Heartbeat),
}

/// A heartbeat of a store. Exhaustive: stores construct it.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Runs since the store was asked. Each change whose call had returned by then was reported
    /// before.
    pub asked: Stopwatch,
    /// The revision of all rules.
    pub rules: Revision,
    /// The time of the store's own clock; `None` if it has none.
    pub clock: Option<Timestamp>,
}

/// The changes of a store, from the time at which it was [watched](super::Store::watch).
#[derive(Debug)]
pub struct Changes {
    changes: mpsc::Receiver<Change>,
    has_ended: Arc<AtomicBool>,
    /// Runs since the last change; `None` until the first wait.
    heard: Option<Stopwatch>,
}

/// The sending end, for the store. The changes end when all clones are dropped.
#[derive(Clone, Debug)]
pub struct ChangeSender {
    sender: mpsc::Sender<Change>,
    has_ended: Arc<AtomicBool>,
}

impl Changes {
    /// The interval of heartbeats. After three intervals of silence, a store counts as lost.
    pub const HEARTBEAT: Duration = Duration::from_millis(500);

    /// Makes both ends of a channel for changes.
    pub fn channel() -> (ChangeSender, Self) {
        let (sender, changes) = mpsc::channel(MOST_UNREAD);
        let has_ended = Arc::<AtomicBool>::default();
        let watched = Self { changes, has_ended: has_ended.clone(), heard: None };
        (ChangeSender { sender, has_ended }, watched)
    }

    /// Waits for the next change; `None` if changes may be missed, or the store is silent.
    ///
    /// A store counts as silent after three [heartbeats](Self::HEARTBEAT) without a message. After
    /// `None`, watch the store again, and assume that everything has changed. The future may be
    /// dropped at any time.
    pub async fn next(&mut self) -> Option<Change> {
        let heard = self.heard.get_or_insert_with(Stopwatch::start);
        let silence = MAX_SILENCE.saturating_sub(heard.elapsed().unsigned_abs());
        let next = timeout(silence, self.changes.recv()).await.ok().flatten();
        self.heard = Some(Stopwatch::start());
        next.filter(|_| !self.has_ended.load(Ordering::SeqCst))
    }

    /// Returns a change that was already reported, if there is one.
    pub fn try_next(&mut self) -> Option<Change> {
        self.changes.try_recv().ok()
    }
}

impl ChangeSender {
    /// Reports a change without waiting. `false` if the receiver is gone, or is so far behind that
    /// its changes end here.
    pub fn tell(&self, change: Change) -> bool {
        if self.has_ended.load(Ordering::SeqCst) {
            return false;
        }
        match self.sender.try_send(change) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                self.end();
                false
            }
        }
    }

    /// Ends the changes: some may be missed from now on.
    pub fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }

    /// Waits until the receiver is gone.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

const MAX_SILENCE: Duration = Changes::HEARTBEAT.saturating_mul(3);

/// Beyond this number, assuming that everything has changed is less work.
const MOST_UNREAD: usize = 16_384;

/// The watchers of a store that makes its changes in this process.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// Avoids work for changes without watchers.
    number: AtomicUsize,
    senders: Mutex<Vec<ChangeSender>>,
}

impl Watchers {
    /// Adds a watcher. It is told of changes from now on, and a task sends heartbeats until it
    /// ends.
    pub(super) fn add<F>(&self, heart: impl FnOnce(ChangeSender) -> F) -> Changes
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, changes) = Changes::channel();
        let heart = heart(sender.clone());
        self.change(|senders| senders.push(sender.clone()));
        tokio::spawn(async move {
            heart.await;
            sender.end();
        });
        changes
    }

    /// Reports a change to all watchers, once readers see it.
    pub(super) fn tell(&self, change: Change) {
        if self.number.load(Ordering::SeqCst) != 0 {
            self.change(|senders| senders.retain(|sender| sender.tell(change)));
        }
    }

    /// Ends the changes of all watchers.
    #[cfg(feature = "near")]
    pub(super) fn end(&self) {
        self.change(|senders| senders.drain(..).for_each(|sender| sender.end()));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<ChangeSender>)) {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut senders);
        self.number.store(senders.len(), Ordering::SeqCst);
    }
}
