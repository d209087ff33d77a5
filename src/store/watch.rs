//! What a store tells of changes as they happen.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

use crate::clock::{Stopwatch, Timestamp};
use crate::session::{Revision, SessionId};

/// What a store tells while it is [watched](super::Store::watch). Exhaustive: stores make it.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// The record of this session was replaced. Of a [quiet](super::Record::is_quiet) change a store need
    /// not tell.
    Session(SessionId),
    /// Records were replaced, and the store cannot tell which.
    Any,
    /// How it stands, at least [twice a second](Changes::HEARTBEAT), and at once where rules changed.
    Heartbeat(Heartbeat),
}

/// A sign of life of a store. Exhaustive: stores make it.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Runs since the store was asked: each change whose call had returned by then was told before.
    pub asked: Stopwatch,
    /// The revision at which all rules stand.
    pub rules: Revision,
    /// What the store's own clock shows, if it has one.
    pub clock: Option<Timestamp>,
}

/// The changes of a store, from the time on that it was asked to be [watched](super::Store::watch).
#[derive(Debug)]
pub struct Changes {
    changes: mpsc::Receiver<Change>,
    has_ended: Arc<AtomicBool>,
    /// Runs since the last change; nobody has waited for one yet otherwise.
    heard: Option<Stopwatch>,
}

/// Where a store tells its changes. When all clones are dropped the changes end.
#[derive(Clone, Debug)]
pub struct ChangeSender {
    sender: mpsc::Sender<Change>,
    has_ended: Arc<AtomicBool>,
}

impl Changes {
    /// A store that is silent for three of these is taken for lost.
    pub const HEARTBEAT: Duration = Duration::from_millis(500);

    /// Both ends of a way for changes.
    pub fn channel() -> (ChangeSender, Self) {
        let (sender, changes) = mpsc::channel(MOST_UNREAD);
        let has_ended = Arc::<AtomicBool>::default();
        let watched = Self { changes, has_ended: has_ended.clone(), heard: None };
        (ChangeSender { sender, has_ended }, watched)
    }

    /// The next change; `None` if whatever follows is missed, or the store is silent for too long, so that
    /// one has to watch anew and to take everything for changed. It may be dropped at any time.
    pub async fn next(&mut self) -> Option<Change> {
        let heard = self.heard.get_or_insert_with(Stopwatch::start);
        let silence = MAX_SILENCE.saturating_sub(heard.elapsed().unsigned_abs());
        let next = timeout(silence, self.changes.recv()).await.ok().flatten();
        self.heard = Some(Stopwatch::start());
        next.filter(|_| !self.has_ended.load(Ordering::SeqCst))
    }

    /// One that has been told already, if there is one.
    pub fn try_next(&mut self) -> Option<Change> {
        self.changes.try_recv().ok()
    }
}

impl ChangeSender {
    /// Tells a change, and never waits. `false` if nobody watches any more, or whoever does is so far
    /// behind that the changes end here.
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

    /// Waits until nobody watches any more.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

const MAX_SILENCE: Duration = Changes::HEARTBEAT.saturating_mul(3);

/// Whoever is further behind sees all of it as changed, which is less work.
const MOST_UNREAD: usize = 16_384;

/// Who watches a store that makes its changes in this process.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// Lets a change that nobody watches cost nothing.
    number: AtomicUsize,
    senders: Mutex<Vec<ChangeSender>>,
}

impl Watchers {
    /// One more, who is told from now on, and by a task how it stands, until that ends.
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

    /// Tells it to all, when whoever looks sees the change.
    pub(super) fn tell(&self, change: Change) {
        if self.number.load(Ordering::SeqCst) != 0 {
            self.change(|senders| senders.retain(|sender| sender.tell(change)));
        }
    }

    /// Ends the changes of all.
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
