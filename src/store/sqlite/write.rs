//! The changes of the writer: each runs in a savepoint, all or nothing.

use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::error::Failure;
use super::read::{decoded, head, revision};
use crate::clock::Timestamp;
use crate::policy::OrgRules;
use crate::session::{Key, Record, Revision};
use crate::store::contract::{Cap, Inserted, Replaced};

pub(super) fn insert(
    file: &Connection,
    record: &Record,
    cap: Option<Cap>,
) -> Result<Inserted, Failure> {
    let same = file
        .prepare_cached("SELECT body FROM curfew_sessions WHERE id = ?1")?
        .query_row([record.id().as_bytes()], |row| decoded(row, 0))
        .optional()?;
    if let Some(same) = same.transpose()? {
        let repeated = same.secret_hash() == record.secret_hash();
        return if repeated { Ok(Inserted::Done) } else { Err(Failure::Exists) };
    }
    if let Some(cap) = cap
        && i64::from(cap.at_most) <= count(file, record, cap)?
    {
        return Ok(Inserted::Full);
    }
    self::file(file, record)?;
    Ok(Inserted::Done)
}

pub(super) const FILE: &str = "INSERT INTO curfew_sessions (id, revision, user, created, last_seen, ended_at, \
     ended_reason, purge_after, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// Inserts a record that is not there yet.
pub(super) fn file(file: &Connection, record: &Record) -> Result<(), Failure> {
    execute(
        file,
        FILE,
        params![
            record.id().as_bytes(),
            number(record.revision()),
            record.user(),
            record.created().unix_millis(),
            record.last_seen().unix_millis(),
            record.ended().map(|ended| ended.at.unix_millis()),
            record.ended().map(|ended| ended.reason.as_str()),
            record.purge_after().unix_millis(),
            record.encode(),
        ],
    )?;
    enter(file, record, &record.listed_keys())
}

pub(super) fn replace(file: &Connection, record: &Record) -> Result<Replaced, Failure> {
    let changed = execute(
        file,
        "UPDATE curfew_sessions SET revision = ?2, last_seen = ?3, ended_at = ?4, \
         ended_reason = ?5, purge_after = ?6, body = ?7 \
         WHERE id = ?1 AND revision = ?8 AND ended_at IS NULL",
        params![
            record.id().as_bytes(),
            number(record.revision()),
            record.last_seen().unix_millis(),
            record.ended().map(|ended| ended.at.unix_millis()),
            record.ended().map(|ended| ended.reason.as_str()),
            record.purge_after().unix_millis(),
            record.encode(),
            number(record.previous()),
        ],
    )?;
    if changed == 0 {
        return why_not(file, record);
    }
    leave(file, record, &record.left_keys())?;
    enter(file, record, &record.entered_keys())?;
    Ok(Replaced::Done)
}

/// The reason why a record could not be replaced.
fn why_not(file: &Connection, record: &Record) -> Result<Replaced, Failure> {
    let found = file
        .prepare_cached("SELECT revision, ended_at IS NOT NULL FROM curfew_sessions WHERE id = ?1")?
        .query_row([record.id().as_bytes()], |row| Ok((revision(row, 0)?, row.get(1)?)))
        .optional()?;
    Ok(match found {
        Some((current, _)) if current == record.revision() => Replaced::Done,
        Some((_, false)) => Replaced::Stale,
        Some((_, true)) | None => Replaced::Gone,
    })
}

pub(super) fn replace_rules(
    file: &Connection,
    org: &str,
    rules: &OrgRules,
    now: Timestamp,
) -> Result<bool, Failure> {
    let current = file
        .prepare_cached("SELECT revision FROM curfew_rules WHERE org = ?1")?
        .query_row([org], |row| revision(row, 0))
        .optional()?;
    let current = current.unwrap_or(Revision::NONE);
    if current != rules.previous() {
        return Ok(current == rules.revision());
    }
    let place = number(rules.raise(head(file)?, now));
    execute(file, "UPDATE curfew_schema SET rules = ?1", [place])?;
    execute(
        file,
        "INSERT OR REPLACE INTO curfew_rules (org, place, revision, body) VALUES (?1, ?2, ?3, ?4)",
        params![org, place, number(rules.revision()), rules.encode()],
    )?;
    Ok(true)
}

pub(super) const DUE: &str = "SELECT rowid, body FROM curfew_sessions WHERE purge_after <= ?1 \
     ORDER BY purge_after LIMIT ?2";

/// The number of records purged in one step: a few milliseconds, in which sign-ins and sign-outs
/// wait.
pub(super) const PURGE_STEP: u32 = 50;

pub(super) fn purge(file: &Connection, now: Timestamp, at_most: u32) -> Result<u32, Failure> {
    let mut statement = file.prepare_cached(DUE)?;
    let due = statement
        .query_map(params![now.unix_millis(), at_most], |row| Ok((row.get(0)?, decoded(row, 1)?)))?
        .collect::<Result<Vec<(i64, _)>, _>>()?;
    for (row, record) in &due {
        if let Ok(record) = record {
            leave(file, record, &record.keys())?;
        }
        execute(file, "DELETE FROM curfew_sessions WHERE rowid = ?1", [row])?;
    }
    Ok(due.len() as u32)
}

/// A limit below the current size counts as the current size.
pub(super) fn limit_size(file: &Connection, bytes: u64) -> Result<(), Failure> {
    let page: u32 = file.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    // The most pages that SQLite supports.
    let pages = (bytes / u64::from(page)).clamp(1, 4_294_967_294);
    file.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    Ok(())
}

pub(super) const COUNT: &str = "SELECT count(*) FROM curfew_session_keys AS k CROSS JOIN curfew_sessions AS s \
     ON s.id = k.session WHERE k.key = ?1 AND k.session IS NOT ?2";

/// The number of records that have not ended under the first key of this one.
fn count(file: &Connection, record: &Record, cap: Cap) -> Result<i64, Failure> {
    let keys = record.keys();
    let first = keys.first().map(|key| key.digest().cast_signed());
    let except = cap.except.map(|id| *id.as_bytes());
    let mut statement = file.prepare_cached(COUNT)?;
    Ok(statement.query_row(params![first, except], |row| row.get(0))?)
}

fn enter(file: &Connection, record: &Record, keys: &[Key]) -> Result<(), Failure> {
    for key in keys {
        execute(
            file,
            "INSERT OR IGNORE INTO curfew_session_keys (key, created, session) VALUES (?1, ?2, ?3)",
            params![
                key.digest().cast_signed(),
                record.created().unix_millis(),
                record.id().as_bytes(),
            ],
        )?;
    }
    Ok(())
}

fn leave(file: &Connection, record: &Record, keys: &[Key]) -> Result<(), Failure> {
    for key in keys {
        execute(
            file,
            "DELETE FROM curfew_session_keys WHERE key = ?1 AND created = ?2 AND session = ?3",
            params![
                key.digest().cast_signed(),
                record.created().unix_millis(),
                record.id().as_bytes(),
            ],
        )?;
    }
    Ok(())
}

fn number(revision: Revision) -> i64 {
    revision.as_u64().cast_signed()
}

fn execute(file: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    file.prepare_cached(sql)?.execute(params)
}
