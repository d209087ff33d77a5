//! Reading all sessions, and importing those of another store.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _};

use super::error::Failure;
use super::read::{decoded, revision};
use super::write;
use crate::session::Record;
use crate::store::scan::{ScanPlace, Scanned};

/// Not by `rowid`, which `VACUUM` may change.
pub(super) const SCAN: &str =
    "SELECT id, body FROM curfew_sessions WHERE ?1 < id ORDER BY id LIMIT ?2";

pub(super) fn scan(
    file: &Connection,
    after: Option<&ScanPlace>,
    at_most: u32,
) -> Result<Scanned, Failure> {
    let of_about = match after {
        Some(_) => None,
        None => Some(count(file)?),
    };
    let mut scanned = Scanned { records: Vec::new(), unreadable: 0, next: None, of_about };
    let mut statement = file.prepare_cached(SCAN)?;
    let mut rows =
        statement.query((after.map(ScanPlace::as_bytes).unwrap_or_default(), at_most))?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        found += 1;
        if found == at_most {
            scanned.next = Some(ScanPlace::from_bytes(row.get::<_, Vec<u8>>(0)?));
        }
        match decoded(row, 1)? {
            Ok(record) => scanned.records.push(Arc::new(record)),
            Err(_) => scanned.unreadable += 1,
        }
    }
    Ok(scanned)
}

fn count(file: &Connection) -> rusqlite::Result<u64> {
    let count = file.query_row("SELECT count(*) FROM curfew_sessions", [], |row| row.get(0))?;
    Ok(i64::cast_unsigned(count))
}

pub(super) fn import(file: &Connection, records: &[Arc<Record>]) -> Result<u64, Failure> {
    let mut new = 0;
    for record in records {
        let there = file
            .prepare_cached("SELECT revision FROM curfew_sessions WHERE id = ?1")?
            .query_row([record.id().as_bytes()], |row| revision(row, 0))
            .optional()?;
        match there {
            Some(there) if there == record.revision() => {}
            Some(_) => return Err(Failure::InUse),
            None => {
                write::file(file, record)?;
                new += 1;
            }
        }
    }
    Ok(new)
}
