//! The connections that calls share, and what is under way on each.
//!
//! Each is opened, watched and replaced by a task of its own ([`keeper`](super::keeper)), so there
//! are never more than there are tasks.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_postgres::{Client, Row, Statement};

use super::error::{Failure, Said};
use super::schema::Sql;
use super::values::Params;
use crate::store::contract::StoreError;

/// Some connections of one kind.
pub(super) struct Connections {
    kind: Kind,
    slots: Vec<watch::Receiver<State>>,
    freed: Arc<Notify>,
    /// As many as there is room for calls if all connections are open.
    places: Arc<Semaphore>,
    queue: Semaphore,
}

/// How many calls a connection serves at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Many: each is one statement that only reads. They are sent without waiting for the answers
    /// to those before.
    Shared,
    /// One, from the beginning of its transaction to the end.
    Exclusive,
}

#[derive(Clone)]
pub(super) enum State {
    Opening,
    Open(Arc<Live>),
    /// The last attempt to open it has failed, and the next is yet to come.
    Down(Arc<Said>),
}

impl Kind {
    fn room(self) -> u32 {
        match self {
            Self::Shared => 128,
            Self::Exclusive => 1,
        }
    }

    /// How long a connection may be silent while an answer is due.
    pub(super) fn patience(self) -> Duration {
        match self {
            Self::Shared => Duration::from_secs(5),
            // Longer than one waits for a lock.
            Self::Exclusive => Duration::from_secs(15),
        }
    }
}

impl Connections {
    pub(super) fn new(kind: Kind, slots: Vec<watch::Receiver<State>>, freed: Arc<Notify>) -> Self {
        let places = Arc::new(Semaphore::new(slots.len() * kind.room() as usize));
        let queue = Semaphore::new(QUEUE);
        Self { kind, slots, freed, places, queue }
    }

    pub(super) fn slots(&self) -> &[watch::Receiver<State>] {
        &self.slots
    }

    /// Room for a call on a connection. If there is none it waits, though not for long; if the server
    /// cannot be reached it does not wait. What is rare is boxed: else every call would carry the room
    /// for it.
    pub(super) async fn call(&self) -> Result<Call, StoreError> {
        // Others may be waiting already, and then there is none.
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Box::pin(self.wait(None)).await;
        };
        match self.attempt() {
            Found::Room(live) => Ok(self.start(live, place)),
            Found::Down(cause) => Err(unreachable(cause)),
            Found::Nothing => Box::pin(self.wait(Some(place))).await,
        }
    }

    async fn wait(&self, place: Option<OwnedSemaphorePermit>) -> Result<Call, StoreError> {
        let _turn = self.queue.try_acquire().map_err(|_| BUSY)?;
        let wait = async {
            // First come, first served.
            let place = match place {
                Some(place) => place,
                None => self.places.clone().acquire_owned().await.map_err(|_| BUSY)?,
            };
            loop {
                let mut freed = pin!(self.freed.notified());
                // From here on no call that ends goes unnoticed.
                freed.as_mut().enable();
                match self.attempt() {
                    Found::Room(live) => return Ok(self.start(live, place)),
                    Found::Down(cause) => return Err(unreachable(cause)),
                    Found::Nothing => freed.await,
                }
            }
        };
        tokio::time::timeout(WAIT, wait).await.unwrap_or_else(|_| Err(self.reproach()))
    }

    fn start(&self, live: Arc<Live>, place: OwnedSemaphorePermit) -> Call {
        Call { live, freed: self.freed.clone(), finished: false, _place: place }
    }

    /// What to say to a call that has waited for room in vain.
    fn reproach(&self) -> StoreError {
        let opening = |slot: &watch::Receiver<State>| matches!(*slot.borrow(), State::Opening);
        if self.slots.iter().all(opening) { UNREACHABLE } else { BUSY }
    }

    fn attempt(&self) -> Found {
        loop {
            let mut best = None::<(u32, Arc<Live>)>;
            let mut down = None;
            let mut hope = false;
            for slot in &self.slots {
                match &*slot.borrow() {
                    State::Open(live) => {
                        hope = true;
                        // While there is little to do, the first serves all of it, and stays warm.
                        let room = if live.client.is_closed() { 0 } else { live.room() };
                        if best.as_ref().map_or(0, |(room, _)| *room) < room {
                            best = Some((room, live.clone()));
                        }
                    }
                    State::Opening => hope = true,
                    State::Down(cause) => down = Some(cause.clone()),
                }
            }
            match (best, down) {
                (Some((_, live)), _) if live.take_room() => return Found::Room(live),
                // Somebody else was faster there.
                (Some(_), _) => {}
                (None, Some(cause)) if !hope => return Found::Down(cause),
                (None, _) => return Found::Nothing,
            }
        }
    }

    /// Reads with one statement, and once more if its connection breaks.
    pub(super) async fn read(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        debug_assert!(self.kind == Kind::Shared);
        match self.once(sql, params).await {
            Err(failure) if failure.is_broken_connection() => {
                Box::pin(self.once(sql, params)).await
            }
            answer => answer,
        }
    }

    /// Runs one statement, which is a transaction of its own.
    pub(super) async fn once(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let call = self.call().await?;
        let answer = call.query(sql, params).await;
        call.finish();
        answer
    }

    /// Begins a transaction. If it is dropped, it is undone.
    pub(super) async fn begin(&self) -> Result<Transaction, Failure> {
        debug_assert!(self.kind == Kind::Exclusive);
        let call = self.call().await?;
        let transaction = Transaction { call };
        transaction.call.live.in_transaction.store(true, Ordering::Release);
        // Whoever waits for long has no caller any more.
        // And of a node that is lost in the middle the server knows nothing for hours; whoever waits for
        // what it has locked gets it before giving up.
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '10s'; \
                     SET LOCAL idle_in_transaction_session_timeout = '8s'";
        match transaction.call.live.client.batch_execute(begin).await {
            Ok(()) => Ok(transaction),
            Err(error) => transaction.end(Err(error.into())).await,
        }
    }
}

enum Found {
    Room(Arc<Live>),
    /// All are taken, or about to be opened again.
    Nothing,
    Down(Arc<Said>),
}

fn unreachable(cause: Arc<Said>) -> StoreError {
    StoreError::new(NOBODY_THERE, cause)
}

/// An open connection.
pub(super) struct Live {
    pub(super) kind: Kind,
    pub(super) client: Client,
    /// By their numbers. They are gone with the connection.
    statements: Mutex<Vec<Option<Statement>>>,
    /// For so many calls more.
    room: AtomicU32,
    /// Calls whose callers stopped waiting. They take their room until the server has answered.
    pub(super) abandoned: AtomicU32,
    pub(super) in_transaction: AtomicBool,
    pub(super) wake: Notify,
}

impl Live {
    pub(super) fn new(kind: Kind, client: Client) -> Self {
        Self {
            kind,
            client,
            statements: Mutex::default(),
            room: AtomicU32::new(kind.room()),
            abandoned: AtomicU32::new(0),
            in_transaction: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.room() == self.kind.room()
    }

    fn room(&self) -> u32 {
        self.room.load(Ordering::Acquire)
    }

    pub(super) fn make_room(&self, calls: u32) {
        self.room.fetch_add(calls, Ordering::AcqRel);
    }

    fn take_room(&self) -> bool {
        let less = |room: u32| room.checked_sub(1);
        self.room.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    pub(super) async fn prepare(&self, sql: &Sql) -> Result<Statement, tokio_postgres::Error> {
        if let Some(Some(statement)) = self.statements().get(sql.number) {
            return Ok(statement.clone());
        }
        let statement = Box::pin(self.client.prepare(&sql.text)).await?;
        self.keep(sql, Some(statement.clone()));
        Ok(statement)
    }

    fn keep(&self, sql: &Sql, statement: Option<Statement>) {
        let mut statements = self.statements();
        if statements.len() <= sql.number {
            statements.resize(sql.number + 1, None);
        }
        statements[sql.number] = statement;
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, Vec<Option<Statement>>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one call on a connection.
pub(super) struct Call {
    live: Arc<Live>,
    freed: Arc<Notify>,
    finished: bool,
    _place: OwnedSemaphorePermit,
}

impl Call {
    pub(super) async fn query(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let statement = self.live.prepare(sql).await?;
        let answer = self.live.client.query(&statement, params).await;
        answer.map_err(|error| self.failed(sql, error))
    }

    async fn execute(&self, sql: &Sql, params: Params<'_>) -> Result<u64, Failure> {
        let statement = self.live.prepare(sql).await?;
        let answer = self.live.client.execute(&statement, params).await;
        answer.map_err(|error| self.failed(sql, error))
    }

    fn failed(&self, sql: &Sql, error: tokio_postgres::Error) -> Failure {
        if Failure::is_stale_statement(&error) {
            self.live.keep(sql, None);
        }
        error.into()
    }

    /// The server has answered all that was asked.
    fn finish(mut self) {
        if self.live.kind == Kind::Exclusive {
            self.live.in_transaction.store(false, Ordering::Release);
        }
        self.finished = true;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.finished {
            self.live.make_room(1);
            self.freed.notify_one();
        } else {
            self.live.abandoned.fetch_add(1, Ordering::AcqRel);
            self.live.wake.notify_one();
        }
    }
}

/// A connection with a transaction. Whoever keeps the connection undoes it if its caller goes.
pub(super) struct Transaction {
    call: Call,
}

impl Transaction {
    pub(super) async fn query(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        self.call.query(sql, params).await
    }

    pub(super) async fn execute(&self, sql: &Sql, params: Params<'_>) -> Result<u64, Failure> {
        self.call.execute(sql, params).await
    }

    /// Commits what succeeded, and undoes what failed.
    pub(super) async fn end<T>(self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        let client = &self.call.live.client;
        match outcome {
            Ok(answer) => {
                client.batch_execute("COMMIT").await?;
                self.call.finish();
                Ok(answer)
            }
            Err(failure) => {
                // If that fails too, the connection is not used again.
                if client.batch_execute("ROLLBACK").await.is_ok() {
                    self.call.finish();
                }
                Err(failure)
            }
        }
    }
}

/// So many calls wait for room, and no more.
const QUEUE: usize = 256;

const WAIT: Duration = Duration::from_secs(3);

const NOBODY_THERE: &str = "the session store cannot be reached";
const UNREACHABLE: StoreError = StoreError::message(NOBODY_THERE);

const BUSY: StoreError =
    StoreError::message("the session store is busy: all of its connections are taken");
