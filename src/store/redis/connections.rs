//! The connections that all calls share. They fail fast, and come back by themselves.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value,
};

use super::error::Failure;
use super::scripts::Scripts;

/// A few connections to one server: one alone would be the limit where many calls are under way.
///
/// They know no timeout, since whoever calls has one; but they notice when nobody waits for their
/// answers any more.
pub(super) struct Connections {
    client: Client,
    connections: [Connection; 2],
    next: AtomicUsize,
    pub(super) scripts: Scripts,
}

impl Connections {
    pub(super) fn new(client: Client, scripts: Scripts) -> Self {
        Self { client, connections: Default::default(), next: AtomicUsize::new(0), scripts }
    }

    /// Makes one call, in one round trip; and as [`run`](Self::run) does once more.
    pub(super) async fn call(&self, call: &Cmd) -> Result<Value, Failure> {
        self.attempt(|mut connection| async move {
            connection.send_packed_command(call).await?.extract_error()
        })
        .await
    }

    /// Makes calls, one after the other, in one round trip; and once more, over a new connection, if
    /// theirs breaks or leads to a replica, since each of them may be repeated. A server that does not know the scripts, as
    /// after a restart, is given them.
    pub(super) async fn run(&self, calls: &Pipeline) -> Result<Vec<Value>, Failure> {
        self.attempt(|connection| sent(connection, calls)).await
    }

    /// As [`run`](Self::run), and makes sure that the server is a primary. One that has become a
    /// replica goes on answering what only reads, and knows less and less.
    pub(super) async fn run_on_primary(&self, mut calls: Pipeline) -> Result<Vec<Value>, Failure> {
        calls.cmd("ROLE");
        let calls = &calls;
        self.attempt(|connection| async move {
            let mut answers = sent(connection, calls).await?;
            match answers.pop() {
                Some(Value::Array(role)) if role.first() == Some(&primary()) => Ok(answers),
                _ => Err((READ_ONLY, "the server is a replica").into()),
            }
        })
        .await
    }

    async fn attempt<T, F>(&self, ask: impl Fn(MultiplexedConnection) -> F) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = &self.connections[next % self.connections.len()];
        let answer = connection.attempt(&self.client, &ask).await;
        let Err(Failure::Redis(error)) = &answer else {
            return answer;
        };
        let knows_scripts = error.kind() != ErrorKind::Server(ServerErrorKind::NoScript);
        if knows_scripts && !error.is_connection_dropped() && error.kind() != READ_ONLY {
            return answer;
        }
        // Rare, and boxed: else every call would carry the room for it.
        Box::pin(async {
            if !knows_scripts {
                self.load_scripts(connection).await?;
            }
            connection.attempt(&self.client, &ask).await
        })
        .await
    }

    async fn load_scripts(&self, connection: &Connection) -> Result<(), Failure> {
        let mut load = redis::pipe();
        for script in self.scripts.load() {
            load.add_command(script);
        }
        let load = &load;
        connection.attempt(&self.client, |connection| sent(connection, load)).await?;
        Ok(())
    }
}

/// Not by the pipeline itself, whose errors do not tell what the server calls them.
async fn sent(mut connection: MultiplexedConnection, calls: &Pipeline) -> RedisResult<Vec<Value>> {
    let answers = connection.send_packed_commands(calls, 0, calls.len()).await?;
    answers.into_iter().map(Value::extract_error).collect()
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a password.
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Connection {
    // `None` before the first call, and after it broke: the next call connects.
    current: Mutex<Option<Current>>,
    // Whoever connects does so for all who wait; what became of it is for them, too.
    connecting: tokio::sync::Mutex<Option<RedisError>>,
    // How often somebody has tried to connect.
    attempts: AtomicU32,
    under_way: AtomicU32,
    // Calls in a row whose callers did not wait for the answer.
    abandoned: AtomicU32,
}

#[derive(Clone)]
struct Current {
    connection: MultiplexedConnection,
    // Which connection it is, so that of many that fail at once one replaces it.
    number: u32,
}

impl Connection {
    async fn attempt<T, F>(
        &self,
        client: &Client,
        ask: impl Fn(MultiplexedConnection) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let _place = Place::of(self)?;
        let Current { connection, number } = match self.current() {
            Some(current) => current,
            None => Box::pin(self.connect(client)).await?,
        };
        let abandoned = Abandoned { connection: self, number };
        let answer = ask(connection).await;
        std::mem::forget(abandoned);
        self.abandoned.store(0, Ordering::Relaxed);
        if let Err(error) = &answer
            && needs_another_connection(error)
        {
            self.leave(number);
        }
        Ok(answer?)
    }

    fn current(&self) -> Option<Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn connect(&self, client: &Client) -> RedisResult<Current> {
        let attempts = self.attempts.load(Ordering::Acquire);
        let mut failure = self.connecting.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        if let Some(failure) = &*failure
            && attempts != self.attempts.load(Ordering::Acquire)
        {
            return Err(failure.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(MAX_TIME_TO_CONNECT))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_LENGTH);
        let opened = client.get_multiplexed_async_connection_with_config(&config).await;
        let number = self.attempts.fetch_add(1, Ordering::AcqRel);
        *failure = opened.as_ref().err().cloned();
        let current = Current { connection: opened?, number };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(current.clone());
        Ok(current)
    }

    /// The next call connects anew: to whoever answers at the address by then.
    fn leave(&self, number: u32) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| current.number == number);
    }
}

/// A place among the calls that are under way: a server that hangs must not collect calls without end.
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

/// A call that is given up before its answer comes. After some of them in a row, whoever comes next
/// connects anew: a connection whose server is silent never learns that nobody is there.
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

/// Also from a server that has become a replica, and keeps its connections.
fn needs_another_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.kind() == READ_ONLY
}

const READ_ONLY: ErrorKind = ErrorKind::Server(ServerErrorKind::ReadOnly);

fn primary() -> Value {
    Value::BulkString(b"master".to_vec())
}

/// Connecting, for all who wait for it.
pub(super) const MAX_TIME_TO_CONNECT: Duration = Duration::from_millis(450);

const MAX_ABANDONED: u32 = 4;

const MAX_UNDER_WAY: u32 = 1024;
const PIPELINE_LENGTH: usize = 256;
