//! Reading sessions and rules, on the calling thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::error::Failure;
use crate::clock::Timestamp;
use crate::encoding::Unreadable;
use crate::policy::{ChangedRules, Incarnation, OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};
use crate::store::contract::{Listed, Loaded, Page};
use crate::store::error::StoreError;

/// The connections that read.
pub(super) struct Readers {
    // Each is locked for the microseconds of one read, never across an await.
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let connections = connections.into_iter().map(Mutex::new).collect();
        Self { connections, next: AtomicUsize::new(0) }
    }

    /// Reads from the file. A read never waits for a write. While another process repairs or
    /// removes the log, it retries for about a second.
    pub(super) async fn run<T>(
        &self,
        read: impl Fn(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        for _ in 0..MAX_TRIES {
            match self.attempt(&read) {
                Err(failure) if failure.is_busy() => tokio::time::sleep(BUSY_PAUSE).await,
                answer => return Ok(answer?),
            }
        }
        Ok(self.attempt(&read)?)
    }

    fn attempt<T>(&self, read: impl Fn(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        read(&self.connection())
    }

    /// The next free connection, or the next one if all are busy.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        let start = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let (before, after) = self.connections.split_at(start);
        for connection in after.iter().chain(before) {
            match connection.try_lock() {
                Ok(free) => return free,
                // A read leaves no state that a panic could have broken.
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.connections[start].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MAX_TRIES: u32 = 400;
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// One statement, so one consistent read.
pub(super) const LOAD: &str = "SELECT s.body, m.rules FROM curfew_sessions AS s, curfew_schema AS m \
     WHERE s.id = ?1";

pub(super) fn load(file: &Connection, id: SessionId) -> Result<Option<Loaded>, Failure> {
    let found = file
        .prepare_cached(LOAD)?
        .query_row([id.as_bytes()], |row| Ok((decoded(row, 0)?, revision(row, 1)?)))
        .optional()?;
    let Some((record, rules)) = found else {
        return Ok(None);
    };
    Ok(Some(Loaded { record: Arc::new(record?), rules, clock: None }))
}

pub(super) const LIST: &str = "SELECT k.created, k.session, s.body \
     FROM curfew_session_keys AS k CROSS JOIN curfew_sessions AS s ON s.id = k.session \
     WHERE k.key = ?1 AND (k.created, k.session) < (?2, ?3) \
     ORDER BY k.created DESC, k.session DESC LIMIT ?4";

pub(super) fn list(file: &Connection, key: &Key, page: Page) -> Result<Listed, Failure> {
    let (created, id) = page.after.unwrap_or(LAST);
    let rules = head(file)?;
    let mut statement = file.prepare_cached(LIST)?;
    let mut rows = statement.query((
        key.digest().cast_signed(),
        created.unix_millis(),
        id.as_bytes(),
        page.at_most,
    ))?;
    let mut listed = Listed { records: Vec::new(), unreadable: 0, next: None, rules, clock: None };
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        let created = Timestamp::from_unix_millis(row.get(0)?);
        listed.next = Some((created, SessionId::from_bytes(row.get(1)?)));
        match decoded(row, 2)? {
            // Two keys can share a digest; this record belongs to the other one.
            Ok(record) if !record.is_under(key) => {}
            Ok(record) => listed.records.push(Arc::new(record)),
            Err(_) => listed.unreadable += 1,
        }
    }
    listed.next = listed.next.filter(|_| count == page.at_most);
    Ok(listed)
}

/// After every place that a record can have in a list.
const LAST: (Timestamp, SessionId) = (Timestamp::NEVER, SessionId::from_bytes([0xff; 16]));

pub(super) const RULES_SINCE: &str =
    "SELECT org, place, body FROM curfew_rules WHERE ?1 < place ORDER BY place LIMIT ?2";

pub(super) fn rules_since(
    file: &Connection,
    revision: Revision,
    at_most: u32,
) -> Result<RulesChanged, Failure> {
    let incarnation = file
        .prepare_cached("SELECT incarnation FROM curfew_schema")?
        .query_row([], |row| Ok(Incarnation::of(row.get_ref(0)?.as_blob()?)))?;
    // Read before the changes: a commit between the two reads is among the changes.
    let mut reaches = head(file)?;
    let mut changes = Vec::new();
    let mut statement = file.prepare_cached(RULES_SINCE)?;
    let mut rows = statement.query((revision.as_u64().cast_signed(), at_most))?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        last = Some(Revision::from_u64(row.get::<_, i64>(1)?.cast_unsigned()));
        let rules = OrgRules::decode(row.get_ref(2)?.as_blob().unwrap_or_default());
        changes.push(ChangedRules { org: row.get(0)?, rules });
    }
    if let Some(last) = last {
        reaches = if changes.len() == at_most as usize { last } else { reaches.max(last) };
    }
    Ok(RulesChanged { changes, reaches, incarnation })
}

/// The revision of all rules.
pub(super) fn head(file: &Connection) -> rusqlite::Result<Revision> {
    file.prepare_cached("SELECT rules FROM curfew_schema")?.query_row([], |row| revision(row, 0))
}

pub(super) fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    Ok(Revision::from_u64(row.get::<_, i64>(column)?.cast_unsigned()))
}

pub(super) fn decoded(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Result<Record, Unreadable>> {
    Ok(Record::decode(row.get_ref(column)?.as_blob()?))
}
