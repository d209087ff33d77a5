//! The steps that changes are made of.

use std::collections::HashMap;
use std::sync::Arc;

use time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSqlOwned, ToSql};

use super::super::{
    EndsBy, Membership, OrgRules, Record, RulesMissing, SecretHash, SessionId, StoreError,
    Timestamp,
};
use super::connections::Transaction;
use super::failure::Failure;
use super::statements::{CLOCK, Statements};
use super::values::{Hidden, Params, ServerTime};
use super::{Shared, rows};
use crate::time::millis;

/// Refuses a caller whose clock is wrong.
pub(super) async fn check_clock(
    transaction: &Transaction,
    store: &Shared,
    now: Timestamp,
) -> Result<(), Failure> {
    if !store.checks_clock {
        return Ok(());
    }
    let ServerTime(time) = first(&transaction.query(CLOCK, &[]).await?)?;
    if time.since(now).max(now.since(time)) <= TOLERANCE {
        return Ok(());
    }
    Err(StoreError::message(
        "the clocks of this machine and of the session store differ by more than a minute; set \
         them right",
    )
    .into())
}

/// The only cell of the only row.
pub(super) fn first<T: FromSqlOwned>(found: &[Row]) -> Result<T, Failure> {
    let row = found.first().ok_or_else(|| Failure::Damaged("a row is missing".into()))?;
    Ok(row.try_get(0)?)
}

/// The rules of organisations, which are locked. Those without any get their first rules at `now`.
pub(super) async fn rules_of(
    transaction: &Transaction,
    sql: &Statements,
    orgs: &[&str],
    now: Timestamp,
) -> Result<HashMap<Arc<str>, OrgRules>, Failure> {
    let known = read_rules(transaction, sql, orgs).await?;
    let new: Vec<&str> = orgs.iter().copied().filter(|org| !known.contains_key(*org)).collect();
    if new.is_empty() {
        return Ok(known);
    }
    let first = OrgRules::first(now);
    let (revision, text) = (Hidden(first.revision()), Hidden(first.to_string()));
    transaction.execute(&sql.first_rules, &[&Hidden(new), &revision, &text]).await?;
    // Somebody else may have been first.
    read_rules(transaction, sql, orgs).await
}

pub(super) async fn read_rules(
    transaction: &Transaction,
    sql: &Statements,
    orgs: &[&str],
) -> Result<HashMap<Arc<str>, OrgRules>, Failure> {
    if orgs.is_empty() {
        return Ok(HashMap::new());
    }
    let found = transaction.query(&sql.rules, &[&Hidden(orgs)]).await?;
    found.iter().map(rows::rules).collect()
}

/// A membership with the rules as they are now.
pub(super) fn stamped(
    rules: &HashMap<Arc<str>, OrgRules>,
    org: &Arc<str>,
    joined: Timestamp,
) -> Result<Membership, Failure> {
    let rules = rules.get(org).ok_or(RulesMissing)?;
    let (generation, version) = (rules.generation(), rules.version());
    Ok(Membership { org: org.clone(), generation, version, joined })
}

pub(super) async fn insert_record(
    transaction: &Transaction,
    sql: &Statements,
    record: &Record,
    memberships: &[Membership],
) -> Result<(), Failure> {
    let (ends_by, ends_by_org) = parts(record.ends_by.as_ref());
    let ended = record.ended.as_ref();
    let [orgs, generations, versions, joined] = columns(memberships);
    let address = record.client.address.map(|address| address.to_string());
    let params: Params<'_> = &[
        &Hidden(&record.id.as_bytes()[..]),
        &Hidden(&record.secret_hash.as_bytes()[..]),
        &Hidden(&*record.user),
        &Hidden(record.kind.as_str()),
        &Hidden(record.name.as_deref()),
        &Hidden(record.created.unix_millis()),
        &Hidden(record.authenticated.unix_millis()),
        &Hidden(record.seen.unix_millis()),
        &Hidden(ends_by),
        &Hidden(ends_by_org),
        &Hidden(record.idle.map(millis)),
        &Hidden(record.client.agent.as_deref()),
        &Hidden(record.client.device.as_deref()),
        &Hidden(address),
        &Hidden(record.client.location.as_deref()),
        &Hidden(ended.map(|ended| ended.at.unix_millis())),
        &Hidden(ended.map(|ended| ended.reason.as_str())),
        &Hidden(ended.and_then(|ended| ended.org.as_deref())),
        &Hidden(record.purge_after.unix_millis()),
        &*orgs,
        &*generations,
        &*versions,
        &*joined,
    ];
    transaction.execute(&sql.insert, params).await?;
    Ok(())
}

/// Lets the session be found by these organisations.
pub(super) async fn join(
    transaction: &Transaction,
    sql: &Statements,
    record: &Record,
    orgs: &[&str],
) -> Result<(), Failure> {
    let created = Hidden(record.created.unix_millis());
    let id = Hidden(&record.id.as_bytes()[..]);
    transaction.execute(&sql.join, &[&Hidden(orgs), &created, &id]).await?;
    Ok(())
}

/// The hash of the secret, if the session has not ended.
pub(super) async fn living_hash(
    store: &Shared,
    id: SessionId,
) -> Result<Option<SecretHash>, Failure> {
    let found = store.writers.once(&store.sql.living_hash, &[&Hidden(&id.as_bytes()[..])]).await?;
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let bytes: &[u8] = row.try_get(0)?;
    let hash = bytes.try_into().map_err(|_| Failure::Damaged("a hash is too short".into()))?;
    Ok(Some(SecretHash::from_bytes(hash)))
}

pub(super) fn parts(ends_by: Option<&EndsBy>) -> (Option<i64>, Option<&str>) {
    let at = ends_by.map(|ends_by| ends_by.at.unix_millis());
    (at, ends_by.and_then(|ends_by| ends_by.org.as_deref()))
}

/// Memberships as columns: organisations, generations, versions, and when each was joined.
pub(super) fn columns(memberships: &[Membership]) -> [Box<dyn ToSql + Sync + Send + '_>; 4] {
    fn column<'a, T: ToSql + Sync + Send + 'a>(
        memberships: &'a [Membership],
        cell: impl Fn(&'a Membership) -> T,
    ) -> Box<dyn ToSql + Sync + Send + 'a> {
        Box::new(Hidden(memberships.iter().map(cell).collect::<Vec<T>>()))
    }
    [
        column(memberships, |membership| &*membership.org),
        column(memberships, |membership| membership.generation),
        column(memberships, |membership| i64::from(membership.version)),
        column(memberships, |membership| membership.joined.unix_millis()),
    ]
}

const TOLERANCE: Duration = Duration::MINUTE;
