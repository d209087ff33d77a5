//! The only thread that writes. It commits waiting changes together.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::Failure;
use super::log::Log;
use super::teller::{Teller, Tells};
use super::write::limit_size;
use crate::session::Revision;
use crate::store::error::StoreError;

/// Sends changes to the thread. The thread ends when all senders are dropped.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Task>);

/// A sender that does not keep the thread alive.
pub(super) struct WeakWriter(mpsc::WeakSender<Task>);

/// The changes on their way to the thread.
pub(super) struct Queue(mpsc::Receiver<Task>);

enum Task {
    Change(Box<dyn Job>),
    /// Limits the size of the file between the changes, so that none of them undoes it.
    Limit(u64, oneshot::Sender<Result<(), StoreError>>),
    /// Reads the state of the file between the changes.
    Look(oneshot::Sender<rusqlite::Result<Revision>>),
}

pub(super) fn queue() -> (Writer, Queue) {
    let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
    (Writer(sender), Queue(receiver))
}

impl Writer {
    /// Makes a change, all or nothing, and answers when it is on the disk. A change that has not
    /// begun when its caller stops waiting is never made.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.send(work, Durability::Full, Tells::Nothing).await
    }

    /// The same, and reports the change to watchers.
    pub(super) async fn run_and_tell<T, W>(&self, tells: Tells, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.send(work, Durability::Full, tells).await
    }

    /// The same for a change that may be lost in a power failure, but not when the process ends: a
    /// caller that needs it makes it again.
    pub(super) async fn run_soon<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.send(work, Durability::Normal, Tells::Nothing).await
    }

    async fn send<T, W>(
        &self,
        work: W,
        durability: Durability,
        tells: Tells,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Change { work: Some(work), outcome: None, caller, durability, tells };
        self.0.send(Task::Change(Box::new(job))).await.map_err(|_| STOPPED)?;
        answer.await.map_err(|_| STOPPED)?
    }

    /// Limits the size of the file in bytes.
    pub(super) async fn limit_size(&self, bytes: u64) -> Result<(), StoreError> {
        let (caller, answer) = oneshot::channel();
        self.0.send(Task::Limit(bytes, caller)).await.map_err(|_| STOPPED)?;
        answer.await.map_err(|_| STOPPED)?
    }

    pub(super) fn downgrade(&self) -> WeakWriter {
        WeakWriter(self.0.downgrade())
    }
}

impl WeakWriter {
    /// The revision of all rules, after all changes of other processes so far are reported. `None`
    /// if it cannot be read, or the store is closed.
    pub(super) async fn look(&self) -> Option<Revision> {
        let (caller, answer) = oneshot::channel();
        self.0.upgrade()?.send(Task::Look(caller)).await.ok()?;
        answer.await.ok()?.ok()
    }
}

/// When a commit reaches the disk, named as in SQLite.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Durability {
    /// With the next commit that is full, or when the log is moved into the file.
    Normal,
    /// Before the commit returns.
    Full,
}

impl Durability {
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Full => "full",
        }
    }
}

/// Makes the changes in the queue until all senders are gone, and keeps the log short.
pub(super) fn serve(
    connection: &Connection,
    mut teller: Teller,
    mut log: Log,
    Queue(mut tasks): Queue,
) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    let mut looks = Vec::new();
    while let Some(task) = tasks.blocking_recv() {
        let mut next = Some(task);
        while let Some(task) = next {
            match task {
                Task::Change(job) => group.push(job),
                // As with changes: it is not made for a caller who is gone.
                Task::Limit(bytes, caller) if !caller.is_closed() => {
                    let _ = caller.send(limit_size(connection, bytes).map_err(Into::into));
                }
                Task::Limit(..) => {}
                Task::Look(caller) => looks.push(caller),
            }
            next = if group.len() < MAX_GROUP { tasks.try_recv().ok() } else { None };
        }
        let committed = commit(connection, &mut teller, &mut group).map_err(Arc::new);
        for job in group.drain(..) {
            job.answer(committed.clone());
        }
        for caller in looks.drain(..) {
            // The watcher may be gone.
            let _ = caller.send(teller.look(connection));
        }
        log.keep_short(connection);
    }
}

fn commit(
    connection: &Connection,
    teller: &mut Teller,
    group: &mut [Box<dyn Job>],
) -> rusqlite::Result<()> {
    let wanted = group.iter().filter(|job| job.is_wanted());
    let Some(durability) = wanted.map(|job| job.durability()).max() else {
        return Ok(());
    };
    connection.pragma_update(None, "synchronous", durability.name())?;
    execute(connection, "BEGIN IMMEDIATE")?;
    let committed = run(connection, group)
        .and_then(|()| teller.count(connection, group.iter().map(|job| job.tells())))
        .and_then(|counted| execute(connection, "COMMIT").map(|()| counted));
    if !connection.is_autocommit() {
        // If this fails too, so does the next BEGIN, and its callers get the error.
        let _ = execute(connection, "ROLLBACK");
    }
    teller.tell(connection, committed?, group.iter().map(|job| job.tells()));
    Ok(())
}

fn run(connection: &Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    for job in group.iter_mut().filter(|job| job.is_wanted()) {
        execute(connection, "SAVEPOINT curfew_job")?;
        if !job.run(connection) {
            // This fails if SQLite has undone the whole transaction, for example on a full disk.
            // Then no change of the group may be reported as done.
            execute(connection, "ROLLBACK TO curfew_job")?;
        }
        execute(connection, "RELEASE curfew_job")?;
    }
    Ok(())
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// A change of a type that the thread does not need to know.
trait Job: Send {
    fn is_wanted(&self) -> bool;
    fn durability(&self) -> Durability;
    /// The report of the change, if it was made.
    fn tells(&self) -> Tells;
    /// Runs the change, and returns whether it succeeded.
    fn run(&mut self, connection: &Connection) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>);
}

struct Change<T, W> {
    work: Option<W>,
    outcome: Option<Result<T, Failure>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
    durability: Durability,
    tells: Tells,
}

impl<T, W> Job for Change<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T, Failure> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.caller.is_closed()
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn tells(&self) -> Tells {
        match &self.outcome {
            Some(Ok(_)) => self.tells,
            _ => Tells::Nothing,
        }
    }

    fn run(&mut self, connection: &Connection) -> bool {
        let outcome = self.work.take().map(|work| work(connection));
        let succeeded = matches!(outcome, Some(Ok(_)));
        self.outcome = outcome;
        succeeded
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>) {
        let answer = match (self.outcome, committed) {
            (Some(Err(failure)), _) => Err(failure.into()),
            (_, Err(error)) => Err(Failure::Shared(error).into()),
            (Some(Ok(answer)), Ok(())) => Ok(answer),
            // It was not run, since its caller was gone.
            (None, Ok(())) => return,
        };
        let _ = self.caller.send(answer);
    }
}

/// The number of changes that may wait in the queue before callers wait to enqueue.
const QUEUE_LENGTH: usize = 1024;

/// The most changes that share one commit.
const MAX_GROUP: usize = 256;

const STOPPED: StoreError =
    StoreError::message("the thread that writes the session store has stopped");
