//! Deleting what is due.

use super::super::Timestamp;
use super::Shared;
use super::changes::patiently;
use super::connections::Transaction;
use super::failure::Failure;
use super::steps::check_clock;
use super::values::Hidden;

/// Deletes what is due, in rounds that each are committed.
pub(super) async fn purge(store: &Shared, now: Timestamp, at_most: u32) -> Result<u64, Failure> {
    let mut purged = 0;
    let mut waits = false;
    while purged < u64::from(at_most) {
        let room = (u64::from(at_most) - purged).min(ROUND);
        let Round { found, deleted } =
            patiently(|| purge_round(store, now, room as i64, waits)).await?;
        purged += deleted;
        if found < room {
            // What others have locked was passed over, unless this round has waited for it.
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
    let rows =
        transaction.query(&sql.due[usize::from(waits)], &[&now.unix_millis(), &room]).await?;
    let (mut due, mut later) = (Vec::new(), Vec::new());
    let (mut orgs, mut created, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let id: &[u8] = row.try_get(0)?;
        if now.unix_millis() < row.try_get(3)? {
            later.push(id);
            continue;
        }
        due.push(id);
        for org in row.try_get::<_, Vec<&str>>(2)? {
            orgs.push(org);
            created.push(row.try_get::<_, i64>(1)?);
            sessions.push(id);
        }
    }
    if !orgs.is_empty() {
        let (orgs, created, sessions) = (Hidden(orgs), Hidden(created), Hidden(sessions));
        transaction.execute(&sql.forget_members, &[&orgs, &created, &sessions]).await?;
    }
    if !due.is_empty() {
        transaction.execute(&sql.delete, &[&Hidden(&due)]).await?;
    }
    if !later.is_empty() {
        transaction.execute(&sql.check_later, &[&Hidden(later)]).await?;
    }
    Ok(Round { found: rows.len() as u64, deleted: due.len() as u64 })
}

/// So many at once, or others would wait for them.
const ROUND: u64 = 1000;
