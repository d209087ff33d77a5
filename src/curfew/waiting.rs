//! The tasks on this node that wait for the end of a session.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::sync::{Notify, oneshot};

use crate::clock::Timestamp;
use crate::session::{Ended, Record, SessionId};

/// All waiting tasks, by session and by the time its end is due.
#[derive(Default)]
pub(super) struct Waiting {
    table: Mutex<Table>,
    /// A session has to be looked at.
    pub(super) came: Notify,
}

#[derive(Default)]
struct Table {
    sessions: HashMap<SessionId, Awaited>,
    due: BTreeSet<(Timestamp, SessionId)>,
    /// Sessions that may have changed since they were loaded.
    doubtful: HashSet<SessionId>,
    /// The number of tasks that have ever waited.
    number: u64,
}

/// A session whose end a task waits for.
struct Awaited {
    record: Arc<Record>,
    due: Timestamp,
    waiters: Vec<(u64, oneshot::Sender<Ended>)>,
}

impl Waiting {
    /// Adds a waiting task. Its session is looked at next, since it may have ended after it was
    /// loaded.
    pub(super) fn add(self: &Arc<Self>, record: &Arc<Record>, due: Timestamp) -> UntilEnded {
        let id = record.id();
        let (tell, told) = oneshot::channel();
        let mut table = self.table();
        table.number += 1;
        let number = table.number;
        let new = || Awaited { record: record.clone(), due, waiters: Vec::with_capacity(1) };
        table.sessions.entry(id).or_insert_with(new).waiters.push((number, tell));
        let due = table.sessions[&id].due;
        table.due.insert((due, id));
        table.doubtful.insert(id);
        drop(table);
        self.came.notify_one();
        UntilEnded { told, _place: Place { waiting: self.clone(), id, number } }
    }

    /// The session as it was last loaded, if a task waits for its end.
    pub(super) fn record(&self, id: SessionId) -> Option<Arc<Record>> {
        Some(self.table().sessions.get(&id)?.record.clone())
    }

    pub(super) fn all(&self) -> Vec<(SessionId, Arc<Record>)> {
        let table = self.table();
        table.sessions.iter().map(|(id, awaited)| (*id, awaited.record.clone())).collect()
    }

    /// Marks a session to be looked at, if a task waits for its end.
    pub(super) fn doubt(&self, id: SessionId) {
        let mut table = self.table();
        if table.sessions.contains_key(&id) {
            table.doubtful.insert(id);
        }
    }

    pub(super) fn doubt_all(&self) {
        let table = &mut *self.table();
        table.doubtful.extend(table.sessions.keys());
    }

    /// Takes the sessions that are to be looked at now.
    pub(super) fn take_doubtful(&self, now: Timestamp) -> HashSet<SessionId> {
        let mut table = self.table();
        let mut taken = std::mem::take(&mut table.doubtful);
        taken.extend(table.due.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| *id));
        taken
    }

    /// The time of the next known end.
    pub(super) fn next_due(&self) -> Timestamp {
        self.table().due.first().map_or(Timestamp::NEVER, |(due, _)| *due)
    }

    /// Keeps a living session, whose end is due at `due`.
    pub(super) fn keep(&self, record: Arc<Record>, due: Timestamp) {
        let id = record.id();
        let table = &mut *self.table();
        if let Some(awaited) = table.sessions.get_mut(&id) {
            table.due.remove(&(awaited.due, id));
            table.due.insert((due, id));
            (awaited.record, awaited.due) = (record, due);
        }
    }

    /// Tells all waiting tasks that the session is over.
    pub(super) fn tell(&self, id: SessionId, ended: &Ended) {
        let Some(awaited) = self.table().take(id) else { return };
        for (_, waiter) in awaited.waiters {
            // The waiting task may have gone in the meantime.
            let _ = waiter.send(ended.clone());
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn take(&mut self, id: SessionId) -> Option<Awaited> {
        let awaited = self.sessions.remove(&id)?;
        self.due.remove(&(awaited.due, id));
        self.doubtful.remove(&id);
        Some(awaited)
    }
}

/// Waits until a session is over, and resolves with the reason. Made by
/// [`Curfew::ended`](super::Curfew::ended).
///
/// It may be dropped at any time.
#[derive(Debug)]
#[must_use = "it does nothing unless it is awaited"]
pub struct UntilEnded {
    told: oneshot::Receiver<Ended>,
    _place: Place,
}

impl Future for UntilEnded {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        match ready!(Pin::new(&mut self.told).poll(context)) {
            Ok(ended) => Poll::Ready(ended),
            // The sender sends the reason before it is dropped.
            Err(_) => Poll::Pending,
        }
    }
}

/// The registration of a waiting task.
struct Place {
    waiting: Arc<Waiting>,
    id: SessionId,
    number: u64,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Place").field(&self.id).finish()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.waiting.table();
        let Some(awaited) = table.sessions.get_mut(&self.id) else { return };
        awaited.waiters.retain(|(number, _)| *number != self.number);
        if awaited.waiters.is_empty() {
            table.take(self.id);
        }
    }
}
