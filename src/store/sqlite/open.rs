//! Opening the file: one connection that writes, a few that read.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failure::is_busy;
use super::open_error::{Obstacle, OpenError};
use super::schema;

pub(super) struct Connections {
    pub(super) writer: Connection,
    pub(super) readers: Vec<Connection>,
}

pub(super) fn open(path: &Path) -> Result<Connections, OpenError> {
    open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
}

pub(super) fn open_with(path: &Path, flags: OpenFlags) -> Result<Connections, OpenError> {
    connect(path, flags).map_err(|obstacle| OpenError::new(path, obstacle))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connections, Obstacle> {
    if flags.contains(OpenFlags::SQLITE_OPEN_CREATE) {
        create_for_owner_alone(path);
    }
    let writer = connection(path, flags)?;
    patiently(|| keep_log(&writer))?;
    patiently(|| schema::migrate(&writer))?;
    writer.busy_timeout(WRITER_WAITS)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let readers = (0..cores.max(2)).map(|_| reader(path)).collect::<Result<_, _>>()?;
    Ok(Connections { writer, readers })
}

/// The file holds addresses of people. SQLite gives its log the mode of the file.
fn create_for_owner_alone(path: &Path) {
    // Such names are no files, but SQLite's own.
    if path.as_os_str().as_encoded_bytes().starts_with(b":") {
        return;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // If it exists or cannot be created, SQLite says what there is to say.
    let _ = options.open(path);
}

fn reader(path: &Path) -> Result<Connection, Obstacle> {
    // Not opened as read-only: whichever connection is closed last must be able to clear the log.
    let reader = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(reader)
}

fn connection(path: &Path, flags: OpenFlags) -> Result<Connection, Obstacle> {
    // Each connection is used by one thread at a time.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn keep_log(writer: &Connection) -> Result<(), Obstacle> {
    let mode: String =
        writer.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Obstacle::NoLog);
    }
    // A commit has reached the disk when it returns; on macOS that takes a second word.
    writer.pragma_update(None, "synchronous", "full")?;
    writer.pragma_update(None, "fullfsync", true)?;
    // A log that one large change has grown shrinks again.
    writer.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    Ok(())
}

/// Tries again while another connection has the file locked, for about two seconds. SQLite's own
/// wait does not cover the switch to a write-ahead log.
fn patiently(mut attempt: impl FnMut() -> Result<(), Obstacle>) -> Result<(), Obstacle> {
    for _ in 0..200 {
        match attempt() {
            Err(Obstacle::Sqlite(error)) if is_busy(&error) => {
                thread::sleep(Duration::from_millis(10));
            }
            answer => return answer,
        }
    }
    attempt()
}

/// How long a group of changes waits while another process writes.
const WRITER_WAITS: Duration = Duration::from_secs(2);

/// More than there are kinds of statements, counting each combination of a selector's conditions.
const STATEMENTS: usize = 128;

const LOG_BYTES: i64 = 16 << 20;
