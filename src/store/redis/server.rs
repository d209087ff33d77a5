//! The connections to one server, and the scripts loaded into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisResult, ServerErrorKind, Value};

use super::answer::Found;
use super::connection::Connection;
use super::connector::Connector;
use super::error::{Failure, READ_ONLY};
use super::primary::{Primary, Target};
use super::scripts::Scripts;
use crate::session::SessionId;
use crate::store::batch::Batcher;

/// A few connections to one server: a single one would be the limit with many calls under way.
///
/// Calls that wait for replicas have other connections, since a connection answers no other call
/// meanwhile.
pub(super) struct Server {
    primary: Arc<Primary>,
    shared: [Connection; 2],
    waiting: [Connection; 4],
    next: AtomicUsize,
    scripts: Arc<Scripts>,
    pub(super) loads: Batcher<SessionId, Found>,
}

impl Server {
    pub(super) fn new(connector: Arc<Connector>, target: Target, scripts: Arc<Scripts>) -> Self {
        let primary = Arc::new(Primary::new(connector, target));
        let connection = |_| Connection::new(primary.clone());
        Self {
            shared: [0; 2].map(connection),
            waiting: [0; 4].map(connection),
            next: AtomicUsize::new(0),
            primary,
            scripts,
            loads: Batcher::new(),
        }
    }

    pub(super) fn primary(&self) -> &Arc<Primary> {
        &self.primary
    }

    /// Makes one call, in one round trip; repeats it once, as [`run`](Self::run) does.
    pub(super) async fn call(&self, call: &Cmd) -> Result<Value, Failure> {
        self.attempt(&self.shared, |mut connection| async move {
            connection.send_packed_command(call).await?.extract_error()
        })
        .await
    }

    /// Makes calls, one after the other, in one round trip. Repeats them once over a new connection
    /// if theirs breaks or leads to a replica, since each of them may be repeated. Loads the
    /// scripts into a server that does not know them, for example after a restart.
    ///
    /// An answer may be the server's error for the call.
    pub(super) async fn run(&self, calls: &Pipeline) -> Result<Vec<Value>, Failure> {
        self.attempt(&self.shared, |connection| sent(connection, calls)).await
    }

    /// As [`run`](Self::run), and makes sure that the server is a primary. A server that has become
    /// a replica continues to answer reads, from data that gets older.
    pub(super) async fn run_on_primary(&self, mut calls: Pipeline) -> Result<Vec<Value>, Failure> {
        calls.cmd("ROLE");
        let calls = &calls;
        self.attempt(&self.shared, |connection| async move {
            let mut answers = sent(connection, calls).await?;
            match answers.pop() {
                Some(Value::Array(role)) if role.first() == Some(&primary()) => Ok(answers),
                _ => Err((READ_ONLY, "the server is a replica").into()),
            }
        })
        .await
    }

    /// Makes a call, and waits until this many replicas have its change, if it was made.
    pub(super) async fn call_and_wait(
        &self,
        call: &Cmd,
        replicas: u32,
        asking: bool,
    ) -> Result<Value, Failure> {
        let mut calls = redis::pipe();
        if asking {
            calls.cmd("ASKING");
        }
        calls.add_command(call.clone()).cmd("WAIT").arg(replicas).arg(MAX_WAIT_FOR_REPLICAS);
        let calls = &calls;
        let mut answers = self.attempt(&self.waiting, |connection| sent(connection, calls)).await?;
        let (have, answer) = (answers.pop(), answers.pop().unwrap_or(Value::Nil));
        let is_done = match &answer {
            Value::BulkString(word) => word == b"done",
            Value::SimpleString(word) => word == "done",
            _ => false,
        };
        match have {
            Some(Value::ServerError(error)) if is_done => Err(Failure::Redis(error.into())),
            Some(Value::Int(have)) if !is_done || i64::from(replicas) <= have => Ok(answer),
            _ if is_done => Err(Failure::Unacknowledged),
            _ => Ok(answer),
        }
    }

    async fn attempt<T, F>(
        &self,
        connections: &[Connection],
        ask: impl Fn(MultiplexedConnection) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = &connections[next % connections.len()];
        let answer = connection.attempt(&ask).await;
        let knows_scripts = match &answer {
            Err(Failure::PrimaryLeft) => true,
            Err(Failure::Redis(error)) => {
                let knows_scripts = error.kind() != NO_SCRIPT;
                if knows_scripts && !error.is_connection_dropped() && error.kind() != READ_ONLY {
                    return answer;
                }
                knows_scripts
            }
            _ => return answer,
        };
        // Rare, and boxed: otherwise every call would reserve memory for it.
        Box::pin(async {
            if !knows_scripts {
                let load = &self.scripts.load();
                connection.attempt(|connection| sent(connection, load)).await?;
            }
            connection.attempt(&ask).await
        })
        .await
    }
}

/// Not by the pipeline itself, whose errors lack the server's error codes.
async fn sent(mut connection: MultiplexedConnection, calls: &Pipeline) -> RedisResult<Vec<Value>> {
    let answers = connection.send_packed_commands(calls, 0, calls.len()).await?;
    // An error that concerns all calls of the connection is not the answer to one of them.
    for answer in &answers {
        if let Value::ServerError(error) = answer
            && matches!(error.kind(), Some(ServerErrorKind::NoScript | ServerErrorKind::ReadOnly))
        {
            return Err(error.clone().into());
        }
    }
    Ok(answers)
}

fn primary() -> Value {
    Value::BulkString(b"master".to_vec())
}

/// In milliseconds; less than the default timeout of a handle's call.
const MAX_WAIT_FOR_REPLICAS: u32 = 500;

const NO_SCRIPT: ErrorKind = ErrorKind::Server(ServerErrorKind::NoScript);
