//! Changing sessions and rules.
//!
//! Locks are taken in one order: a key, the revision of all rules, sessions, places in lists.

use std::future::Future;

use super::Shared;
use super::error::Failure;
use super::read::revision;
use super::transaction::Transaction;
use super::values::{ClockTime, Hidden, Params};
use crate::clock::{ServerClock, ServerTime, Timestamp};
use crate::encoding::Unreadable;
use crate::policy::OrgRules;
use crate::session::{Key, Record, Revision};
use crate::store::contract::{Cap, Inserted, Replaced};

/// Retries a call after conflicts and broken connections: each call may be repeated.
pub(super) async fn retried<T, F>(
    store: &Shared,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut repeats = store.writers.repeats();
    let mut conflicts = 0;
    loop {
        match attempt().await {
            Err(failure) if failure.is_conflict() && conflicts < MAX_CONFLICTS => conflicts += 1,
            Err(Failure::Broken { connection, .. }) if repeats.allow(connection) => {}
            answer => return answer,
        }
    }
}

/// How often a call gives way to conflicting ones.
const MAX_CONFLICTS: u32 = 4;

pub(super) async fn insert(
    store: &Shared,
    record: &Record,
    cap: Option<Cap>,
) -> Result<Inserted, Failure> {
    let transaction = store.writers.begin().await?;
    let outcome = insert_within(&transaction, store, record, cap).await;
    transaction.end(outcome).await
}

async fn insert_within(
    transaction: &Transaction,
    store: &Shared,
    record: &Record,
    cap: Option<Cap>,
) -> Result<Inserted, Failure> {
    let sql = &store.sql;
    let id = record.id();
    check_clock(transaction, store, record.created()).await?;
    let keys = digests(&record.entered_keys());
    let first = Hidden(keys.first().copied());
    if cap.is_some() {
        // A separate statement, since it must count after it has the lock.
        transaction.query(&sql.lock_key, &[&first]).await?;
    }
    let at_most = cap.map_or(i64::MAX, |cap| i64::from(cap.at_most));
    let except = cap.and_then(|cap| cap.except).map(|id| id.as_bytes().to_vec());
    let ended = record.ended();
    let params: Params<'_> = &[
        &Hidden(&id.as_bytes()[..]),
        &Hidden(number(record.revision())),
        &Hidden(&**record.user()),
        &Hidden(record.created().unix_millis()),
        &Hidden(record.last_seen().unix_millis()),
        &Hidden(ended.map(|ended| ended.at.unix_millis())),
        &Hidden(ended.map(|ended| ended.reason.as_str())),
        &Hidden(record.purge_after().unix_millis()),
        &Hidden(record.encode()),
        &Hidden(keys),
        &first,
        &Hidden(except),
        &Hidden(at_most),
    ];
    let filed: i64 = cell(&transaction.query(&sql.insert, params).await?)?;
    if filed == 1 {
        return Ok(Inserted::Done);
    }
    let id = Hidden(&id.as_bytes()[..]);
    match transaction.query(&sql.body, &[&id]).await?.first() {
        None => Ok(Inserted::Full),
        Some(row) => {
            let there = Record::decode(row.try_get(0)?)?;
            let repeated = there.secret_hash() == record.secret_hash();
            if repeated && 0 < store.acknowledged_by {
                transaction.query(&sql.confirm, &[]).await?;
            }
            if repeated { Ok(Inserted::Done) } else { Err(Failure::Exists) }
        }
    }
}

pub(super) async fn replace(store: &Shared, record: &Record) -> Result<Replaced, Failure> {
    let (left, entered) = (digests(&record.left_keys()), digests(&record.entered_keys()));
    let stays = left.is_empty() && entered.is_empty();
    let (ended, id) = (record.ended(), record.id());
    let id = Hidden(&id.as_bytes()[..]);
    let created = Hidden(record.created().unix_millis());
    let (left, entered) = (Hidden(left), Hidden(entered));
    let set = (
        Hidden(number(record.previous())),
        Hidden(number(record.revision())),
        Hidden(record.last_seen().unix_millis()),
        Hidden(ended.map(|ended| ended.at.unix_millis())),
        Hidden(ended.map(|ended| ended.reason.as_str())),
        Hidden(record.purge_after().unix_millis()),
        Hidden(record.encode()),
    );
    let params: Params<'_> =
        &[&id, &set.0, &set.1, &set.2, &set.3, &set.4, &set.5, &set.6, &created, &left, &entered];
    // A touch changes one row and no index. It is one statement in any case, so all or nothing.
    let (sql, params) =
        if stays { (&store.sql.replace, &params[..8]) } else { (&store.sql.relist, params) };
    let sql = &sql[usize::from(record.is_quiet())];
    let replaced: i64 = cell(&store.writers.once(sql, params).await?)?;
    if replaced == 1 {
        return Ok(Replaced::Done);
    }
    let found = store.writers.once(&store.sql.state, &[&id]).await?;
    if 0 < store.acknowledged_by && !found.is_empty() {
        // It may exist although the commit that made it has not finished waiting.
        store.writers.once(&store.sql.confirm, &[]).await?;
    }
    Ok(match found.first() {
        None => Replaced::Gone,
        Some(row) if revision(row, 0)? == record.revision() => Replaced::Done,
        Some(row) if row.try_get(1)? => Replaced::Gone,
        Some(_) => Replaced::Stale,
    })
}

pub(super) async fn replace_rules(
    store: &Shared,
    org: &str,
    rules: &OrgRules,
    now: Timestamp,
) -> Result<bool, Failure> {
    let transaction = store.writers.begin().await?;
    let outcome = replace_rules_within(&transaction, store, org, rules, now).await;
    transaction.end(outcome).await
}

async fn replace_rules_within(
    transaction: &Transaction,
    store: &Shared,
    org: &str,
    rules: &OrgRules,
    now: Timestamp,
) -> Result<bool, Failure> {
    let sql = &store.sql;
    // The lock on this row decides the order, so changes become visible in the order of their
    // revisions.
    let head = transaction.query(&sql.lock_head, &[]).await?;
    let head = head.first().ok_or(Unreadable)?;
    let ClockTime(time) = head.try_get(1)?;
    if store.server_clock.is_asked && ServerClock::is_apart(time, now) {
        return Err(Failure::ClocksDiffer);
    }
    let org = Hidden(org);
    let found = transaction.query(&sql.rules_revision, &[&org]).await?;
    let current = found.first().map(|row| revision(row, 0)).transpose()?;
    let current = current.unwrap_or(Revision::NONE);
    if current != rules.previous() {
        // The lock alone makes this transaction wait for replicas.
        return Ok(current == rules.revision());
    }
    // The store's time, if it may be asked.
    let now = if store.server_clock.is_asked { time } else { now };
    let place = Hidden(number(rules.raise(revision(head, 0)?, now)));
    let (own, body) = (Hidden(number(rules.revision())), Hidden(rules.encode()));
    transaction.execute(&sql.raise_head, &[&place]).await?;
    transaction.execute(&sql.replace_rules, &[&org, &place, &own, &body]).await?;
    Ok(true)
}

/// Deletes due records, in rounds that are committed separately.
pub(super) async fn purge(store: &Shared, now: Timestamp, at_most: u32) -> Result<u64, Failure> {
    let mut purged = 0;
    let mut waits = false;
    while purged < u64::from(at_most) {
        let room = (u64::from(at_most) - purged).min(PURGE_ROUND);
        let round = retried(store, || purge_round(store, now, room as i64, waits)).await?;
        purged += round.deleted;
        if round.found < room {
            // Locked records were skipped, unless this round has waited for them.
            let still_due = store.writers.once(&store.sql.still_due, &[&now.unix_millis()]).await?;
            if waits || still_due.is_empty() {
                break;
            }
            waits = true;
        }
    }
    Ok(purged)
}

struct Round {
    found: u64,
    deleted: u64,
}

async fn purge_round(
    store: &Shared,
    now: Timestamp,
    room: i64,
    waits: bool,
) -> Result<Round, Failure> {
    let transaction = store.writers.begin().await?;
    let outcome = purge_within(&transaction, store, now, room, waits).await;
    transaction.end(outcome).await
}

async fn purge_within(
    transaction: &Transaction,
    store: &Shared,
    now: Timestamp,
    room: i64,
    waits: bool,
) -> Result<Round, Failure> {
    let sql = &store.sql;
    check_clock(transaction, store, now).await?;
    let due = &sql.due[usize::from(waits)];
    let rows = transaction.query(due, &[&now.unix_millis(), &room]).await?;
    let (mut gone, mut later) = (Vec::new(), Vec::new());
    let (mut keys, mut created, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let id: &[u8] = row.try_get(0)?;
        if now.unix_millis() < row.try_get(2)? {
            later.push(id);
            continue;
        }
        gone.push(id);
        // An unreadable record leaves its places behind, which then lead to no record.
        let Ok(record) = Record::decode(row.try_get(1)?) else {
            continue;
        };
        for key in digests(&record.keys()) {
            keys.push(key);
            created.push(record.created().unix_millis());
            sessions.push(id);
        }
    }
    let deleted = gone.len() as u64;
    transaction.execute(&sql.leave, &[&Hidden(keys), &Hidden(created), &Hidden(sessions)]).await?;
    transaction.execute(&sql.delete, &[&Hidden(gone)]).await?;
    if !later.is_empty() {
        transaction.execute(&sql.check_later, &[&Hidden(later)]).await?;
    }
    Ok(Round { found: rows.len() as u64, deleted })
}

/// The size of a round: larger ones would make others wait.
const PURGE_ROUND: u64 = 1000;

/// Returns an error if the caller's clock is wrong.
async fn check_clock(
    transaction: &Transaction,
    store: &Shared,
    now: Timestamp,
) -> Result<(), Failure> {
    let shown = match store.server_clock.now() {
        ServerTime { shown, is_due: false } => shown,
        ServerTime { is_due: true, .. } => {
            let ClockTime(time) = cell(&transaction.query(&store.sql.time, &[]).await?)?;
            store.server_clock.shows(time);
            Some(time)
        }
    };
    let is_apart = shown.is_some_and(|shown| ServerClock::is_apart(shown, now));
    if is_apart { Err(Failure::ClocksDiffer) } else { Ok(()) }
}

/// The only cell of the only row.
pub(super) fn cell<T: tokio_postgres::types::FromSqlOwned>(
    rows: &[tokio_postgres::Row],
) -> Result<T, Failure> {
    Ok(rows.first().ok_or(Unreadable)?.try_get(0)?)
}

pub(super) fn digests(keys: &[Key]) -> Vec<i64> {
    keys.iter().map(|key| key.digest().cast_signed()).collect()
}

pub(super) fn number(revision: Revision) -> i64 {
    revision.as_u64().cast_signed()
}
