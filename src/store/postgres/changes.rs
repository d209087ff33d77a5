//! What changes sessions and rules.
//!
//! Locks are taken in one order: the user, organisations, sessions.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;

use super::super::{
    Ended, Insert, Membership, OrgRules, Record, Rotate, RulesMissing, Selector, SessionId,
    SetOrgs, Swapped, Timestamp, Touch, Touched,
};
use super::connections::Transaction;
use super::failure::Failure;
use super::statements::{LOCK_ORG, LOCK_ORGS, LOCK_USER, Statements};
use super::steps::{
    check_clock, columns, first, insert_record, join, living_hash, parts, read_rules, rules_of,
    stamped,
};
use super::values::{Hidden, Params};
use super::{Shared, rows, selection};

/// Tries again what other changes stood in the way of.
pub(super) async fn patiently<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    for _ in 0..4 {
        match attempt().await {
            Err(failure) if failure.is_conflict() => {}
            answer => return answer,
        }
    }
    attempt().await
}

pub(super) async fn insert(
    store: &Shared,
    record: &Record,
    replaces: &[SessionId],
    cap: Option<u32>,
) -> Result<Insert, Failure> {
    let transaction = store.writers.begin().await?;
    let outcome = insert_within(&transaction, store, record, replaces, cap).await;
    transaction.end(outcome).await
}

async fn insert_within(
    transaction: &Transaction,
    store: &Shared,
    record: &Record,
    replaces: &[SessionId],
    cap: Option<u32>,
) -> Result<Insert, Failure> {
    let sql = &store.sql;
    check_clock(transaction, store, record.created).await?;
    if let Some(cap) = cap {
        let user = Hidden(&*record.user);
        transaction.query(LOCK_USER, &[&user]).await?;
        let replaces: Vec<&[u8]> = replaces.iter().map(|id| &id.as_bytes()[..]).collect();
        let found = transaction.query(&sql.count_others, &[&user, &Hidden(replaces)]).await?;
        if i64::from(cap) <= first::<i64>(&found)? {
            return Ok(Insert::Full);
        }
    }
    let orgs: Vec<&str> = record.memberships.iter().map(|membership| &*membership.org).collect();
    let rules = if orgs.is_empty() {
        HashMap::new()
    } else {
        transaction.query(LOCK_ORGS, &[&Hidden(&orgs)]).await?;
        rules_of(transaction, sql, &orgs, record.created).await?
    };
    let memberships = record
        .memberships
        .iter()
        .map(|Membership { org, joined, .. }| stamped(&rules, org, *joined))
        .collect::<Result<Vec<_>, _>>()?;

    let revoked = Ended::revoked(record.created);
    for id in replaces.iter().collect::<BTreeSet<_>>() {
        let which = Selector::session(*id);
        let selection = selection::end(&sql.names, &which, &revoked);
        transaction.execute(&selection.sql, &selection.params()).await?;
    }
    insert_record(transaction, sql, record, &memberships).await?;
    if !orgs.is_empty() {
        join(transaction, sql, record, &orgs).await?;
    }
    Ok(Insert::Stored)
}

pub(super) async fn touch(store: &Shared, touch: &Touch) -> Result<Touched, Failure> {
    let Touch { id, secret_hash, seen, last_seen, client, purge_after } = touch;
    let address = client.address.map(|address| address.to_string());
    let moved = store
        .writers
        .change(
            &store.sql.touch,
            &[
                &Hidden(&id.as_bytes()[..]),
                &Hidden(seen.unix_millis()),
                &Hidden(last_seen.unix_millis()),
                &Hidden(client.agent.as_deref()),
                &Hidden(client.device.as_deref()),
                &Hidden(address),
                &Hidden(client.location.as_deref()),
                &Hidden(purge_after.unix_millis()),
                &Hidden(&secret_hash.as_bytes()[..]),
            ],
        )
        .await?;
    // A secret that is the current one now was it then, and the activity only moves forward.
    Ok(match moved {
        0 if living_hash(store, *id).await? == Some(*secret_hash) => Touched::Kept,
        0 => Touched::Gone,
        _ => Touched::Moved,
    })
}

pub(super) async fn rotate(store: &Shared, rotate: &Rotate) -> Result<Swapped, Failure> {
    let swapped = store
        .writers
        .change(
            &store.sql.rotate,
            &[
                &Hidden(&rotate.id.as_bytes()[..]),
                &Hidden(&rotate.old.as_bytes()[..]),
                &Hidden(&rotate.new.as_bytes()[..]),
                &Hidden(rotate.authenticated.map(Timestamp::unix_millis)),
            ],
        )
        .await?;
    Ok(match swapped {
        0 if living_hash(store, rotate.id).await?.is_some() => Swapped::Stale,
        0 => Swapped::Gone,
        _ => Swapped::Done,
    })
}

pub(super) async fn set_orgs(store: &Shared, change: &SetOrgs) -> Result<Swapped, Failure> {
    let transaction = store.writers.begin().await?;
    let outcome = set_orgs_within(&transaction, &store.sql, change).await;
    transaction.end(outcome).await
}

async fn set_orgs_within(
    transaction: &Transaction,
    sql: &Statements,
    change: &SetOrgs,
) -> Result<Swapped, Failure> {
    let old = change.seen.record();
    let old_orgs: Vec<&str> = old.memberships.iter().map(|membership| &*membership.org).collect();
    let all: Vec<&str> = old_orgs.iter().copied().chain(change.orgs.iter().map(|o| &**o)).collect();
    transaction.query(LOCK_ORGS, &[&Hidden(all)]).await?;
    let id = Hidden(&old.id.as_bytes()[..]);
    let found = transaction.query(&sql.lock_record, &[&id]).await?;
    let Some(record) = found.first().map(rows::record).transpose()? else {
        return Ok(Swapped::Gone);
    };
    if record.ended.is_some() {
        return Ok(Swapped::Gone);
    }
    if (&record.memberships, &record.ends_by, record.seen)
        != (&old.memberships, &old.ends_by, old.seen)
    {
        return Ok(Swapped::Stale);
    }
    let current = read_rules(transaction, sql, &old_orgs).await?;
    for (Membership { org, .. }, rules) in change.seen.memberships() {
        if current.get(org).ok_or(RulesMissing)?.revision() != rules.revision() {
            return Ok(Swapped::Stale);
        }
    }

    let is_old = |org: &Arc<str>| old_orgs.contains(&&**org);
    let new: Vec<&str> = change.orgs.iter().filter(|org| !is_old(org)).map(|o| &**o).collect();
    let rules = rules_of(transaction, sql, &new, change.joined).await?;
    let memberships = change
        .orgs
        .iter()
        .map(|org| match record.memberships.iter().find(|membership| membership.org == *org) {
            Some(kept) => Ok(kept.clone()),
            None => stamped(&rules, org, change.joined),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let left: Vec<&str> =
        old_orgs.into_iter().filter(|org| !change.orgs.iter().any(|o| **o == **org)).collect();

    let (ends_by, ends_by_org) = parts(change.ends_by.as_ref());
    let [orgs, generations, versions, joined] = columns(&memberships);
    transaction
        .execute(
            &sql.set_orgs,
            &[
                &id,
                &*orgs,
                &*generations,
                &*versions,
                &*joined,
                &Hidden(ends_by),
                &Hidden(ends_by_org),
                &Hidden(change.purge_after.unix_millis()),
            ],
        )
        .await?;
    if !left.is_empty() {
        let created = Hidden(record.created.unix_millis());
        transaction.execute(&sql.leave, &[&Hidden(left), &created, &id]).await?;
    }
    if !new.is_empty() {
        join(transaction, sql, &record, &new).await?;
    }
    Ok(Swapped::Done)
}

pub(super) async fn end(store: &Shared, which: &Selector, ended: &Ended) -> Result<u64, Failure> {
    let selection = selection::end(&store.sql.names, which, ended);
    store.writers.change(&selection.sql, &selection.params()).await
}

pub(super) async fn put_org_rules(
    store: &Shared,
    org: &str,
    expected: Option<i64>,
    rules: &OrgRules,
) -> Result<bool, Failure> {
    let transaction = store.writers.begin().await?;
    let outcome = put_within(&transaction, &store.sql, org, expected, rules).await;
    transaction.end(outcome).await
}

async fn put_within(
    transaction: &Transaction,
    sql: &Statements,
    org: &str,
    expected: Option<i64>,
    rules: &OrgRules,
) -> Result<bool, Failure> {
    let (org, revision, text) = (Hidden(org), Hidden(rules.revision()), Hidden(rules.to_string()));
    transaction.query(LOCK_ORG, &[&org]).await?;
    let put = match expected {
        None => transaction.execute(&sql.put_first_rules, &[&org, &revision, &text]).await?,
        Some(expected) => {
            let expected = Hidden(expected);
            let params: Params<'_> = &[&org, &revision, &text, &expected];
            transaction.execute(&sql.put_rules, params).await?
        }
    };
    Ok(put != 0)
}
