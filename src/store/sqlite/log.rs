//! Keeping the write-ahead log short.
//!
//! By default, SQLite moves the log into the file at a commit, as far as no reader prevents it. It
//! restarts the log once all of it has been moved and no connection reads from it. With overlapping
//! readers that never happens, and the log grows without end. A committing caller also waits for
//! the move, for half a second on a slow disk.
//!
//! So a separate thread moves the log, in parallel to the changes. If the log still gets long, the
//! writer waits for a moment between two commits, until it can be restarted.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::open::{MOVED_BYTES, WRITER_WAITS, connection};

/// The log of a file.
pub(super) struct Log {
    path: PathBuf,
    length: u64,
    /// The length from which it is moved, and the one from which it is restarted.
    move_at: u64,
    restart_at: u64,
    mover: SyncSender<()>,
    /// Held while the log is moved: SQLite waits for readers, but not for another connection that
    /// moves the log.
    turn: Arc<Mutex<()>>,
}

impl Log {
    /// Starts the thread that moves the log of this file.
    pub(super) fn of(file: &Path) -> Self {
        let (mover, wishes) = sync_channel(1);
        let turn = Arc::<Mutex<()>>::default();
        // Without the thread, the writer does all of it.
        if let Ok(mover) = connection(file, OpenFlags::SQLITE_OPEN_READ_WRITE) {
            let turn = turn.clone();
            let named = thread::Builder::new().name("curfew-sqlite-log".into());
            let _ = named.spawn(move || move_whenever_wished(&mover, &wishes, &turn));
        }
        let mut path = OsString::from(file);
        path.push("-wal");
        let path = PathBuf::from(path);
        Self { path, length: 0, move_at: MOVED_BYTES, restart_at: MAX_BYTES, mover, turn }
    }

    /// Keeps the log short; called between two commits.
    pub(super) fn keep_short(&mut self, writer: &Connection) {
        let length = fs::metadata(&self.path).map_or(0, |log| log.len());
        if length < self.length {
            // The log was restarted.
            (self.move_at, self.restart_at) = (MOVED_BYTES, MAX_BYTES);
        }
        self.length = length;
        if self.move_at <= length {
            self.move_at = length + MOVED_BYTES / 4;
            // If the thread is busy, it gets the next request.
            let _ = self.mover.try_send(());
        }
        if self.restart_at <= length {
            // If a connection reads for long, the next try is delayed: all changes wait during a
            // try.
            self.restart_at = length + MAX_BYTES / 4;
            let _ = writer.busy_timeout(RESTART_WAITS);
            let _ = checkpoint(writer, "TRUNCATE", &self.turn);
            let _ = writer.busy_timeout(WRITER_WAITS);
        }
    }
}

/// Runs until the writer is gone.
fn move_whenever_wished(mover: &Connection, wishes: &Receiver<()>, turn: &Mutex<()>) {
    while wishes.recv().is_ok() {
        // It does not wait for readers; the next run moves the rest.
        let _ = checkpoint(mover, "PASSIVE", turn);
    }
}

fn checkpoint(connection: &Connection, mode: &str, turn: &Mutex<()>) -> rusqlite::Result<()> {
    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
}

/// The longest log while no read lasts longer than a moment: this, and one commit more.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// How long the writer waits for readers.
const RESTART_WAITS: Duration = Duration::from_millis(100);
