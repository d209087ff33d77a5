//! Opening the file: one connection that writes, a few that read, and the tables.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};

use super::error::{Obstacle, is_busy};
use super::{moving, read, teller, write};
use crate::clock::Deadline;
use crate::store::open_error::OpenError;
use crate::token::random_id;

pub(super) struct Connections {
    pub(super) writer: Connection,
    pub(super) readers: Vec<Connection>,
}

pub(super) fn open(path: &Path) -> Result<Connections, OpenError> {
    open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
}

pub(super) fn open_with(path: &Path, flags: OpenFlags) -> Result<Connections, OpenError> {
    connect(path, flags).map_err(|obstacle| obstacle.at(path))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connections, Obstacle> {
    if flags.contains(OpenFlags::SQLITE_OPEN_CREATE) {
        create_for_owner_alone(path);
    }
    let writer = connection(path, flags)?;
    retried(OPENING_WAITS, || keep_log(&writer))?;
    retried(OPENING_WAITS, || create_tables(&writer))?;
    writer.busy_timeout(WRITER_WAITS)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let readers = (0..cores.max(2)).map(|_| reader(path)).collect::<Result<_, _>>()?;
    Ok(Connections { writer, readers })
}

/// The file contains addresses of users. SQLite gives its log the mode of the file.
fn create_for_owner_alone(path: &Path) {
    // These names are not files, but special names of SQLite.
    if path.as_os_str().as_encoded_bytes().starts_with(b":") {
        return;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // If it exists or cannot be created, SQLite reports the reason.
    let _ = options.open(path);
}

fn reader(path: &Path) -> Result<Connection, Obstacle> {
    // Not read-only: the connection that is closed last must be able to remove the log.
    let reader = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(reader)
}

pub(super) fn connection(path: &Path, flags: OpenFlags) -> Result<Connection, Obstacle> {
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
        return Err(Obstacle::Advice(NO_LOG));
    }
    // A commit has reached the disk when it returns; macOS needs another setting for that.
    writer.pragma_update(None, "synchronous", "full")?;
    writer.pragma_update(None, "fullfsync", true)?;
    // A log that has grown shrinks when it is restarted.
    writer.pragma_update_and_check(None, "journal_size_limit", MOVED_BYTES as i64, |_| Ok(()))?;
    // Not within a commit, for which callers wait; see `log`.
    writer.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    Ok(())
}

/// Creates missing tables, in any number of calls and processes, and proves that the file is
/// writable.
fn create_tables(writer: &Connection) -> Result<(), Obstacle> {
    let transaction = Transaction::new_unchecked(writer, TransactionBehavior::Immediate)?;
    let format: Option<Option<u32>> = transaction
        .query_row("SELECT 1 FROM pragma_table_info('curfew_schema') LIMIT 1", [], |_| Ok(()))
        .optional()?
        .map(|()| transaction.query_row(READ_FORMAT, [], |row| row.get(0)).optional())
        .transpose()?;
    match format {
        None => {
            transaction.execute_batch(TABLES)?;
            transaction.execute(
                "INSERT INTO curfew_schema (one, version, incarnation, rules, opened, changes) \
                 VALUES (1, ?1, ?2, 0, 0, 0)",
                (FORMAT, random_id().as_bytes()),
            )?;
        }
        Some(Some(FORMAT)) => are_complete(&transaction)?,
        Some(Some(newer)) if FORMAT < newer => return Err(Obstacle::Advice(NEWER)),
        Some(_) => return Err(Obstacle::Advice(OLDER)),
    }
    // Always writes, which fails with a read-only file or a full disk.
    transaction.execute("UPDATE curfew_schema SET opened = opened + 1", [])?;
    transaction.commit()?;
    Ok(())
}

/// The tables may have been changed by hand: this fails now rather than at the first sign-in.
fn are_complete(tables: &Connection) -> Result<(), Obstacle> {
    for sql in [
        read::LOAD,
        read::LIST,
        read::RULES_SINCE,
        write::DUE,
        write::FILE,
        moving::SCAN,
        teller::RAISE,
    ] {
        tables.prepare(sql).map_err(|_| Obstacle::Advice(INCOMPLETE))?;
    }
    Ok(())
}

/// The format of the tables. A file of another format is refused.
const FORMAT: u32 = 2;

const NO_LOG: &str = "SQLite can keep no write-ahead log there; give it a file on a local disk";
const INCOMPLETE: &str = "a table or a column of the store is missing; restore it from a backup, or give \
                          another file, which signs everybody out";
const NEWER: &str =
    "a newer version of tower-curfew has written it; upgrade tower-curfew here as well";
const OLDER: &str = "its tables have the format of a version before the first release; give another \
                     file, or delete its tables `curfew_…`, which signs everybody out";

const READ_FORMAT: &str = "SELECT version FROM curfew_schema";

// `user_version` and `application_id` belong to the app, which may keep its own tables here. Times
// are milliseconds. The content of a record is in its body. The other columns are for readers of
// the table, except those for lookups, replacing and purging.
const TABLES: &str = "
    CREATE TABLE curfew_schema (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        incarnation BLOB NOT NULL,
        rules INTEGER NOT NULL,
        opened INTEGER NOT NULL,
        changes INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE curfew_sessions (
        id BLOB NOT NULL PRIMARY KEY,
        revision INTEGER NOT NULL,
        user TEXT NOT NULL,
        created INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        ended_at INTEGER,
        ended_reason TEXT,
        purge_after INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX curfew_sessions_to_purge ON curfew_sessions (purge_after);

    -- Where sessions that have not ended are listed, in the order of lists.
    CREATE TABLE curfew_session_keys (
        key INTEGER NOT NULL,
        created INTEGER NOT NULL,
        session BLOB NOT NULL,
        PRIMARY KEY (key, created, session)
    ) STRICT, WITHOUT ROWID;

    -- `place` is the revision of all rules that the last change of these made.
    CREATE TABLE curfew_rules (
        org TEXT NOT NULL PRIMARY KEY,
        place INTEGER NOT NULL UNIQUE,
        revision INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Retries for this long while another connection has the file locked. SQLite's own wait does not
/// cover the switch to a write-ahead log. On a busy machine a pause takes much longer than
/// requested, so elapsed time counts instead of tries.
pub(super) fn retried(
    wait: Duration,
    mut attempt: impl FnMut() -> Result<(), Obstacle>,
) -> Result<(), Obstacle> {
    let deadline = Deadline::after(wait);
    loop {
        match attempt() {
            Err(Obstacle::Sqlite(error)) if is_busy(&error) && !deadline.has_passed() => {
                thread::sleep(BUSY_PAUSE);
            }
            answer => return answer,
        }
    }
}

/// How long opening waits for another process that has the file locked.
const OPENING_WAITS: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// How long a group of changes waits while another process writes.
pub(super) const WRITER_WAITS: Duration = Duration::from_secs(2);

/// The length from which the log is moved. A restart does not make it shorter than this.
pub(super) const MOVED_BYTES: u64 = 4 << 20;

/// More than the number of statements.
const STATEMENTS: usize = 32;
