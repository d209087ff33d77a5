//! The tables.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::open_error::Obstacle;

/// Creates what is missing, as often as it is called and in however many processes, and proves that
/// the file can be written.
pub(super) fn migrate(writer: &Connection) -> Result<(), Obstacle> {
    let transaction = Transaction::new_unchecked(writer, TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    let version: Option<u32> = transaction
        .query_row("SELECT version FROM curfew_schema", [], |row| row.get(0))
        .optional()?;
    match version {
        None => transaction.execute_batch(TABLES)?,
        Some(VERSION) => {}
        Some(_) => return Err(Obstacle::Newer),
    }
    // Writes in any case, which a read-only file and a full disk do not survive.
    transaction.execute("UPDATE curfew_schema SET opened = opened + 1", [])?;
    transaction.commit()?;
    Ok(())
}

const VERSION: u32 = 1;

// `user_version` and `application_id` belong to the app, which may keep tables of its own here.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS curfew_schema (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        opened INTEGER NOT NULL
    ) STRICT;
";

// Times and durations are milliseconds. The indexes on sessions leave out what has ended, as every
// list does. `created` is repeated on members so that the sessions of an organisation can be read
// page by page in their order.
const TABLES: &str = "
    CREATE TABLE curfew_sessions (
        id BLOB NOT NULL PRIMARY KEY,
        secret_hash BLOB NOT NULL,
        user TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT,
        created INTEGER NOT NULL,
        authenticated INTEGER NOT NULL,
        seen INTEGER NOT NULL,
        ends_by INTEGER,
        ends_by_org TEXT,
        idle INTEGER,
        agent TEXT,
        device TEXT,
        address TEXT,
        location TEXT,
        ended_at INTEGER,
        ended_reason TEXT,
        ended_org TEXT,
        purge_after INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX curfew_sessions_of_user ON curfew_sessions (user, created, id)
        WHERE ended_at IS NULL;
    CREATE INDEX curfew_sessions_to_purge ON curfew_sessions (purge_after);

    CREATE TABLE curfew_members (
        session BLOB NOT NULL,
        org TEXT NOT NULL,
        created INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        version INTEGER NOT NULL,
        joined INTEGER NOT NULL,
        PRIMARY KEY (session, org)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX curfew_members_of_org ON curfew_members (org, created, session);

    CREATE TABLE curfew_orgs (
        org TEXT NOT NULL PRIMARY KEY,
        rules TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    INSERT INTO curfew_schema (one, version, opened) VALUES (1, 1, 0);
";
