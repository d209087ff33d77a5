//! Keeping the write-ahead log short.
//!
//! SQLite by itself moves the log into the file at a commit, as far as no reader is in the way, and
//! begins it anew once it has all been moved and nobody reads from it. With readers that overlap all the
//! time that never comes, and the log grows without end. And whoever commits waits for the move, half a
//! second where the disk is slow.
//!
//! So a thread of its own moves the log, beside the changes; and where the log gets long nevertheless,
//! the writer waits between two commits, for a moment, until it can be begun anew.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::open::{MOVED_BYTES, WRITER_WAITS, connection};

/// The log beside a file.
pub(super) struct Log {
    path: PathBuf,
    length: u64,
    /// From which length on it is to be moved, and to be begun anew.
    move_at: u64,
    restart_at: u64,
    mover: SyncSender<()>,
    /// Whoever moves the log holds this: SQLite waits for readers, but not for another who moves it.
    turn: Arc<Mutex<()>>,
}

impl Log {
    /// Starts the thread that moves the log of this file.
    pub(super) fn of(file: &Path) -> Self {
        let (mover, wishes) = sync_channel(1);
        let turn = Arc::<Mutex<()>>::default();
        // Without it, the writer does all of it.
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

    /// Between two commits: sees to it that the log does not get long.
    pub(super) fn keep_short(&mut self, writer: &Connection) {
        let length = fs::metadata(&self.path).map_or(0, |log| log.len());
        if length < self.length {
            // It was begun anew.
            (self.move_at, self.restart_at) = (MOVED_BYTES, MAX_BYTES);
        }
        self.length = length;
        if self.move_at <= length {
            self.move_at = length + MOVED_BYTES / 4;
            // If it is at it, it hears of the next wish.
            let _ = self.mover.try_send(());
        }
        if self.restart_at <= length {
            // If somebody reads for long, the next try is not at once: meanwhile all changes wait.
            self.restart_at = length + MAX_BYTES / 4;
            let _ = writer.busy_timeout(RESTART_WAITS);
            let _ = checkpoint(writer, "TRUNCATE", &self.turn);
            let _ = writer.busy_timeout(WRITER_WAITS);
        }
    }
}

/// Until the writer is gone.
fn move_whenever_wished(mover: &Connection, wishes: &Receiver<()>, turn: &Mutex<()>) {
    while wishes.recv().is_ok() {
        // It waits for no reader; what it leaves, the next one moves.
        let _ = checkpoint(mover, "PASSIVE", turn);
    }
}

fn checkpoint(connection: &Connection, mode: &str, turn: &Mutex<()>) -> rusqlite::Result<()> {
    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
}

/// How long the log may get while nobody reads for longer than a moment: this, and one commit more.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// How long the writer waits for those who read.
const RESTART_WAITS: Duration = Duration::from_millis(100);
