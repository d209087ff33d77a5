//! The connections that read, on the thread that asks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::Connection;

use super::super::StoreError;
use super::failure::Failure;

pub(super) struct Readers {
    // Each is held for the microseconds of one read, never across an await.
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let connections = connections.into_iter().map(Mutex::new).collect();
        Self { connections, next: AtomicUsize::new(0) }
    }

    /// Reads. A read never waits for a write; but while another process repairs the log or clears it
    /// away, it tries again, for about a second.
    pub(super) async fn run<T>(
        &self,
        read: impl Fn(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        for _ in 0..TRIES {
            match self.attempt(&read) {
                Err(failure) if failure.is_busy() => tokio::time::sleep(PAUSE).await,
                answer => return Ok(answer?),
            }
        }
        Ok(self.attempt(&read)?)
    }

    fn attempt<T>(&self, read: impl Fn(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        read(&self.connection())
    }

    /// The next connection that is free, or else the next.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        let start = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let (before, after) = self.connections.split_at(start);
        for connection in after.iter().chain(before) {
            match connection.try_lock() {
                Ok(free) => return free,
                // A read leaves nothing behind that a panic could have broken.
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.connections[start].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const TRIES: u32 = 400;
const PAUSE: Duration = Duration::from_millis(2);
