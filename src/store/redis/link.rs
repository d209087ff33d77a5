//! The connection that all calls share. It fails fast, and comes back by itself.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, RedisResult, ScriptInvocation, ServerErrorKind, Value};
use tokio::sync::Semaphore;

use super::failure::Failure;

pub(super) struct Link {
    client: Client,
    current: Mutex<Current>,
    // A server that hangs must not collect calls without end.
    room: Semaphore,
    // Calls in a row whose callers did not wait for the answer.
    forsaken: AtomicU32,
}

#[derive(Clone)]
struct Current {
    manager: ConnectionManager,
    // Which connection it is, so that of many that fail at once one replaces it.
    number: u64,
}

impl Link {
    pub(super) fn new(client: Client) -> RedisResult<Self> {
        let manager = manager(&client)?;
        let current = Mutex::new(Current { manager, number: 0 });
        Ok(Self { client, current, room: Semaphore::new(IN_FLIGHT), forsaken: AtomicU32::new(0) })
    }

    /// Runs a script. In the normal course that is one round trip; a server that does not know the
    /// script, as after a restart, is given it.
    pub(super) async fn run(&self, script: &ScriptInvocation<'_>) -> Result<Value, Failure> {
        let room = tokio::time::timeout(WAIT, self.room.acquire()).await;
        let Ok(Ok(_room)) = room else {
            return Err(Failure::Crowded);
        };
        let Current { mut manager, number } = self.current();
        let forsaken = Forsaken { link: self, number };
        let answer = script.invoke_async(&mut manager).await;
        std::mem::forget(forsaken);
        self.forsaken.store(0, Ordering::Relaxed);
        if let Err(error) = &answer
            && needs_another_connection(error)
        {
            self.replace(number);
        }
        Ok(answer?)
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next call connects anew: whoever answers at the address by then.
    fn replace(&self, number: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number == number
            && let Ok(manager) = manager(&self.client)
        {
            *current = Current { manager, number: number + 1 };
        }
    }
}

/// A call that is given up before its answer comes. After some of them in a row, whoever comes next
/// connects anew: callers may be less patient than the connection, which then never learns that
/// nobody is there.
struct Forsaken<'a> {
    link: &'a Link,
    number: u64,
}

impl Drop for Forsaken<'_> {
    fn drop(&mut self) {
        if FORSAKEN <= self.link.forsaken.fetch_add(1, Ordering::Relaxed) + 1 {
            self.link.forsaken.store(0, Ordering::Relaxed);
            self.link.replace(self.number);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a password.
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// What the manager does not see: a server that is silent may be cut off, and one that has become a
/// replica keeps its connections.
fn needs_another_connection(error: &RedisError) -> bool {
    error.is_timeout() || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

fn manager(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(TIMEOUT))
        .set_response_timeout(Some(TIMEOUT))
        .set_pipeline_buffer_size(QUEUE);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

// Waiting for room, connecting and waiting for the answer together take no longer than a second,
// after which the caller has gone.
const WAIT: Duration = Duration::from_millis(100);
pub(super) const TIMEOUT: Duration = Duration::from_millis(450);

const FORSAKEN: u32 = 4;

const IN_FLIGHT: usize = 1024;
const QUEUE: usize = 256;
