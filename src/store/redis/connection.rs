//! One connection that many calls share. It fails fast, and reconnects by itself.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};
use tokio::sync::watch;

use super::error::{Failure, READ_ONLY};
use super::primary::Primary;

/// A connection without a timeout, since each caller has one. It notices when no caller waits for
/// its answers any more.
pub(super) struct Connection {
    primary: Arc<Primary>,
    state: Arc<Mutex<State>>,
    under_way: AtomicU32,
    // Calls in a row whose callers did not wait for the answer.
    abandoned: AtomicU32,
}

enum State {
    /// The next call opens it.
    Closed,
    /// A task opens it for all waiting callers, regardless of their timeouts.
    Opening(watch::Receiver<Option<RedisResult<Open>>>),
    Open(Open),
}

#[derive(Clone)]
struct Open {
    connection: MultiplexedConnection,
    /// The number of the primary that it leads to.
    primary: u32,
    /// The number of this connection, so that of many calls that fail at once, one replaces it.
    number: u32,
}

impl Connection {
    pub(super) fn new(primary: Arc<Primary>) -> Self {
        Self {
            primary,
            state: Arc::new(Mutex::new(State::Closed)),
            under_way: AtomicU32::new(0),
            abandoned: AtomicU32::new(0),
        }
    }

    pub(super) async fn attempt<T, F>(
        &self,
        ask: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let _place = Place::of(self)?;
        let current = self.current(&self.state());
        let open = match current {
            Some(open) => open,
            None => Box::pin(self.open()).await?,
        };
        let abandoned = Abandoned { connection: self, number: open.number };
        let answer = ask(open.connection).await;
        std::mem::forget(abandoned);
        self.abandoned.store(0, Ordering::Relaxed);
        if let Err(error) = &answer
            && needs_another_connection(error)
        {
            self.leave(open.number);
        }
        if open.primary != self.primary.number() {
            // Another connection has found a newer primary: answers of this one no longer count.
            self.leave(open.number);
            return Err(Failure::PrimaryLeft);
        }
        Ok(answer?)
    }

    fn current(&self, state: &State) -> Option<Open> {
        match state {
            State::Open(open) if open.primary == self.primary.number() => Some(open.clone()),
            _ => None,
        }
    }

    async fn open(&self) -> RedisResult<Open> {
        loop {
            let mut opening = self.opening();
            let opened = opening.wait_for(Option::is_some).await.map(|opened| opened.clone());
            match opened {
                Ok(Some(opened)) => return opened,
                // The runtime of the task has ended: this call continues.
                _ => self.give_up(&opening),
            }
        }
    }

    fn opening(&self) -> watch::Receiver<Option<RedisResult<Open>>> {
        let mut state = self.state();
        if let State::Opening(opening) = &*state {
            return opening.clone();
        }
        if let Some(open) = self.current(&state) {
            // Another call has opened it since this call looked.
            return watch::channel(Some(Ok(open))).1;
        }
        let (done, opening) = watch::channel(None);
        *state = State::Opening(opening.clone());
        let (primary, state) = (self.primary.clone(), self.state.clone());
        tokio::spawn(async move {
            let opened = primary.open(None).await.map(|(connection, primary)| Open {
                connection,
                primary,
                number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            });
            *locked(&state) = match &opened {
                Ok(open) => State::Open(open.clone()),
                Err(_) => State::Closed,
            };
            done.send_replace(Some(opened));
        });
        opening
    }

    fn give_up(&self, opening: &watch::Receiver<Option<RedisResult<Open>>>) {
        let mut state = self.state();
        if matches!(&*state, State::Opening(current) if current.same_channel(opening)) {
            *state = State::Closed;
        }
    }

    /// Makes the next call connect again, to the server that then has the address.
    fn leave(&self, number: u32) {
        let mut state = self.state();
        if matches!(&*state, State::Open(open) if open.number == number) {
            *state = State::Closed;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of connections so far in this process.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// A slot among the calls that are under way: a server that hangs must not collect calls without
/// end.
struct Place<'a>(&'a AtomicU32);

impl<'a> Place<'a> {
    fn of(connection: &'a Connection) -> Result<Self, Failure> {
        let others = connection.under_way.fetch_add(1, Ordering::Relaxed);
        let place = Self(&connection.under_way);
        if others < MAX_UNDER_WAY { Ok(place) } else { Err(Failure::Crowded) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call that is given up before its answer arrives. After several of them in a row, the next call
/// connects again: a connection to a silent server gives no other sign of failure.
struct Abandoned<'a> {
    connection: &'a Connection,
    number: u32,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let in_a_row = &self.connection.abandoned;
        if MAX_ABANDONED <= in_a_row.fetch_add(1, Ordering::Relaxed) + 1 {
            in_a_row.store(0, Ordering::Relaxed);
            self.connection.leave(self.number);
        }
    }
}

/// This includes a server that has become a replica and keeps its connections.
fn needs_another_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.kind() == READ_ONLY
}

const MAX_ABANDONED: u32 = 4;

const MAX_UNDER_WAY: u32 = 1024;
