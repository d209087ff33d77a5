//! One open connection, and the calls under way on it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_postgres::{Client, Error, Row, Statement};

use super::asked;
use super::connector::Peer;
use super::error::Failure;
use super::hosts::Hosts;
use super::opened::{Opened, PumpTask};
use super::server::Backend;
use super::statements::Sql;
use super::values::Params;

/// How many calls a connection serves at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Many: each is one statement that only reads. They are sent without waiting for earlier
    /// answers.
    Shared,
    /// One at a time, for its whole transaction.
    Exclusive,
}

impl Sharing {
    pub(super) fn capacity(self) -> u32 {
        match self {
            Self::Shared => 128,
            Self::Exclusive => 1,
        }
    }

    /// How long a connection may be silent while an answer is due.
    pub(super) fn time_to_answer(self) -> Duration {
        match self {
            Self::Shared => Duration::from_secs(5),
            // Longer than the timeout of locks.
            Self::Exclusive => Duration::from_secs(15),
        }
    }
}

/// An open connection to a server.
pub(super) struct Live {
    pub(super) sharing: Sharing,
    pub(super) client: Client,
    peer: Peer,
    /// Held while queries are sent that must stay together.
    order: Mutex<()>,
    /// The server's process of this connection, if it is always the same.
    pub(super) backend: Option<Backend>,
    /// The number of the primary that it leads to.
    pub(super) primary: u64,
    /// The number of this connection: how many were opened up to it.
    number: u64,
    hosts: Arc<Hosts>,
    /// Calls no longer use it, and its answers no longer count.
    is_left: AtomicBool,
    /// It was left because an answer did not arrive.
    pub(super) is_silent: AtomicBool,
    /// Prepared statements by their numbers. They are gone with the connection.
    statements: Mutex<Vec<Option<Statement>>>,
    /// The number of further calls that it has room for.
    room: AtomicU32,
    /// Calls whose callers stopped waiting. They keep their room until the server has answered.
    pub(super) abandoned: AtomicU32,
    pub(super) in_transaction: AtomicBool,
    pub(super) wake: Arc<Notify>,
}

impl Live {
    pub(super) fn new(
        sharing: Sharing,
        hosts: Arc<Hosts>,
        opened: Opened,
        wake: Arc<Notify>,
    ) -> (Self, PumpTask) {
        let live = Self {
            sharing,
            client: opened.client,
            peer: hosts.connector.peer,
            order: Mutex::default(),
            backend: opened.facts.backend,
            primary: opened.primary,
            number: opened.number,
            hosts,
            is_left: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            statements: Mutex::default(),
            room: AtomicU32::new(sharing.capacity()),
            abandoned: AtomicU32::new(0),
            in_transaction: AtomicBool::new(false),
            wake,
        };
        (live, opened.pump)
    }

    /// Whether calls may use it.
    pub(super) fn is_usable(&self) -> bool {
        self.counts() && !self.client.is_closed()
    }

    /// Whether its answers count: not those of an old primary.
    fn counts(&self) -> bool {
        !self.is_left() && self.hosts.primary.is(self.primary)
    }

    /// Whether it was left, so that no call uses it any more.
    pub(super) fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Acquire)
    }

    pub(super) fn leave(&self) {
        self.is_left.store(true, Ordering::Release);
        // Its keeper closes it, if the server has not.
        self.wake.notify_one();
    }

    pub(super) fn is_idle(&self) -> bool {
        self.room() == self.sharing.capacity()
    }

    pub(super) fn room(&self) -> u32 {
        self.room.load(Ordering::Acquire)
    }

    pub(super) fn make_room(&self, calls: u32) {
        self.room.fetch_add(calls, Ordering::AcqRel);
    }

    pub(super) fn take_room(&self) -> bool {
        let less = |room: u32| room.checked_sub(1);
        self.room.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    pub(super) async fn prepare(&self, sql: &Sql) -> Result<Statement, tokio_postgres::Error> {
        if let Some(Some(statement)) = self.statements().get(sql.number) {
            return Ok(statement.clone());
        }
        let statement = Box::pin(self.client.prepare_typed(&sql.text, sql.types)).await?;
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
    pub(super) live: Arc<Live>,
    freed: Arc<Notify>,
    finished: bool,
    _place: OwnedSemaphorePermit,
}

impl Call {
    pub(super) fn new(live: Arc<Live>, freed: Arc<Notify>, place: OwnedSemaphorePermit) -> Self {
        Self { live, freed, finished: false, _place: place }
    }

    pub(super) async fn query(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let client = &self.live.client;
        let answer = match self.live.peer {
            Peer::Server => match self.live.prepare(sql).await {
                Ok(statement) => client.query(&statement, params).await,
                Err(error) => Err(error),
            },
            // Boxed: otherwise every prepared query would reserve memory for it.
            Peer::Pooler => Box::pin(asked::unnamed(client, sql, params)).await,
        };
        self.checked(answer, Some(sql))
    }

    /// Runs a statement in a transaction of its own.
    pub(super) async fn alone(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        match self.live.peer {
            // The timeout of locks was set when the connection was opened.
            Peer::Server => self.query(sql, params).await,
            Peer::Pooler => {
                let live = &self.live;
                let alone = Box::pin(asked::alone(&live.client, sql, params, &live.order));
                self.checked(alone.await, Some(sql))
            }
        }
    }

    /// Runs statements without parameters and results.
    pub(super) async fn run(&self, statements: &str) -> Result<(), Failure> {
        let answer = self.live.client.batch_execute(statements).await;
        self.checked(answer, None)
    }

    /// The answer, if it counts.
    fn checked<T>(&self, answer: Result<T, Error>, sql: Option<&Sql>) -> Result<T, Failure> {
        let live = &*self.live;
        if !live.counts() {
            return Err(
                if live.sharing == Sharing::Exclusive && live.is_silent.load(Ordering::Acquire) {
                    Failure::GivenUp
                } else {
                    Failure::Broken { error: answer.err(), connection: live.number }
                },
            );
        }
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if let Some(sql) = sql
            && Failure::is_stale_statement(&error)
        {
            live.keep(sql, None);
        }
        if Failure::is_of_a_broken_connection(&error) {
            // Otherwise the next call would be sent there, too.
            live.leave();
            return Err(Failure::Broken { error: Some(error), connection: live.number });
        }
        Err(error.into())
    }

    /// Marks that the server has answered all queries.
    pub(super) fn finish(mut self) {
        if self.live.sharing == Sharing::Exclusive {
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
