//! What the writer does: each change runs in a savepoint, all of it or nothing.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Params, params, params_from_iter};

use super::super::{
    Ended, EndsBy, Facts, Insert, Membership, OrgRules, Record, Rotate, SecretHash, Selector,
    SessionId, SetOrgs, Swapped, Touch, Touched,
};
use super::failure::Failure;
use super::{rows, selection};
use crate::time::{Timestamp, millis};

pub(super) fn insert(
    file: &Connection,
    record: &Record,
    replaces: &[SessionId],
    cap: Option<u32>,
) -> Result<Insert, Failure> {
    let replaces: HashSet<_> = replaces.iter().copied().collect();
    if let Some(cap) = cap
        && cap as usize <= count_others(file, &record.user, &replaces)?
    {
        return Ok(Insert::Full);
    }
    let revoked = Ended::revoked(record.created);
    for replaced in replaces {
        end(file, &Selector::session(replaced), &revoked)?;
    }
    insert_session(file, record)?;
    for Membership { org, joined, .. } in &record.memberships {
        join(file, record, org, *joined, record.created)?;
    }
    Ok(Insert::Stored)
}

pub(super) fn touch(file: &Connection, touch: &Touch) -> Result<Touched, Failure> {
    let moved = execute(
        file,
        "UPDATE curfew_sessions SET seen = ?2, agent = ?4, device = ?5, address = ?6, \
         location = ?7, purge_after = ?8 \
         WHERE id = ?1 AND ended_at IS NULL AND secret_hash = ?9 AND seen <= ?3 AND seen < ?2",
        params![
            touch.id.as_bytes(),
            touch.seen.unix_millis(),
            touch.last_seen.unix_millis(),
            touch.client.agent,
            touch.client.device,
            touch.client.address.map(|address| address.to_string()),
            touch.client.location,
            touch.purge_after.unix_millis(),
            touch.secret_hash.as_bytes(),
        ],
    )?;
    Ok(match moved {
        0 if living_hash(file, touch.id)? == Some(touch.secret_hash) => Touched::Kept,
        0 => Touched::Gone,
        _ => Touched::Moved,
    })
}

pub(super) fn rotate(file: &Connection, rotate: &Rotate) -> Result<Swapped, Failure> {
    let swapped = execute(
        file,
        "UPDATE curfew_sessions SET secret_hash = ?3, authenticated = coalesce(?4, authenticated) \
         WHERE id = ?1 AND ended_at IS NULL AND secret_hash = ?2",
        params![
            rotate.id.as_bytes(),
            rotate.old.as_bytes(),
            rotate.new.as_bytes(),
            rotate.authenticated.map(Timestamp::unix_millis),
        ],
    )?;
    Ok(match swapped {
        0 if living_hash(file, rotate.id)?.is_some() => Swapped::Stale,
        0 => Swapped::Gone,
        _ => Swapped::Done,
    })
}

pub(super) fn set_orgs(file: &Connection, change: &SetOrgs) -> Result<Swapped, Failure> {
    let id = change.seen.record().id;
    let Some(current) = rows::load(file, id)? else {
        return Ok(Swapped::Gone);
    };
    let record = current.record();
    if record.ended.is_some() {
        return Ok(Swapped::Gone);
    }
    if !is_still(&current, &change.seen) {
        return Ok(Swapped::Stale);
    }
    for Membership { org, .. } in &record.memberships {
        if !change.orgs.contains(org) {
            execute(
                file,
                "DELETE FROM curfew_members WHERE session = ?1 AND org = ?2",
                params![id.as_bytes(), org],
            )?;
        }
    }
    for org in &change.orgs {
        if !record.memberships.iter().any(|membership| membership.org == *org) {
            join(file, record, org, change.joined, change.joined)?;
        }
    }
    execute(
        file,
        "UPDATE curfew_sessions SET ends_by = ?2, ends_by_org = ?3, purge_after = ?4 WHERE id = ?1",
        params![
            id.as_bytes(),
            change.ends_by.as_ref().map(|ends_by| ends_by.at.unix_millis()),
            change.ends_by.as_ref().and_then(|ends_by| ends_by.org.as_ref()),
            change.purge_after.unix_millis(),
        ],
    )?;
    Ok(Swapped::Done)
}

pub(super) fn end(file: &Connection, which: &Selector, ended: &Ended) -> Result<u64, Failure> {
    let selection = selection::end(which, ended);
    Ok(execute(file, &selection.sql, params_from_iter(selection.values))? as u64)
}

pub(super) fn put_org_rules(
    file: &Connection,
    org: &str,
    expected: Option<i64>,
    rules: &OrgRules,
) -> Result<bool, Failure> {
    let current = rows::org_rules(file, org)?;
    let as_expected = current.map(|current| current.revision()) == expected;
    if as_expected {
        execute(
            file,
            "INSERT OR REPLACE INTO curfew_orgs (org, rules) VALUES (?1, ?2)",
            params![org, rules.to_string()],
        )?;
    }
    Ok(as_expected)
}

pub(super) fn purge(file: &Connection, now: Timestamp, at_most: u32) -> Result<u64, Failure> {
    // Both find the same sessions, since in this order no two are equal.
    execute(
        file,
        "DELETE FROM curfew_members WHERE session IN (SELECT id FROM curfew_sessions \
         WHERE purge_after <= ?1 ORDER BY purge_after, rowid LIMIT ?2)",
        params![now.unix_millis(), at_most],
    )?;
    let purged = execute(
        file,
        "DELETE FROM curfew_sessions WHERE rowid IN (SELECT rowid FROM curfew_sessions \
         WHERE purge_after <= ?1 ORDER BY purge_after, rowid LIMIT ?2)",
        params![now.unix_millis(), at_most],
    )?;
    Ok(purged as u64)
}

/// Less than it holds already is as much as that.
pub(super) fn limit_size(file: &Connection, bytes: u64) -> Result<(), Failure> {
    let page: u32 = file.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    // The most pages that SQLite knows.
    let pages = (bytes / u64::from(page)).clamp(1, 4_294_967_294);
    file.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    Ok(())
}

/// How many sessions of the user have not ended, those to be replaced left out.
fn count_others(
    file: &Connection,
    user: &str,
    replaces: &HashSet<SessionId>,
) -> Result<usize, Failure> {
    let mut statement =
        file.prepare_cached("SELECT id FROM curfew_sessions WHERE user = ?1 AND ended_at IS NULL")?;
    let mut rows = statement.query([user])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += usize::from(!replaces.contains(&SessionId::from_bytes(row.get(0)?)));
    }
    Ok(count)
}

fn insert_session(file: &Connection, record: &Record) -> Result<(), Failure> {
    let (ends_by, ends_by_org) = match &record.ends_by {
        Some(EndsBy { at, org }) => (Some(at.unix_millis()), org.as_ref()),
        None => (None, None),
    };
    let ended = record.ended.as_ref();
    execute(
        file,
        "INSERT INTO curfew_sessions (id, secret_hash, user, kind, name, created, authenticated, \
         seen, ends_by, ends_by_org, idle, agent, device, address, location, ended_at, \
         ended_reason, ended_org, purge_after) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
         ?18, ?19)",
        params![
            record.id.as_bytes(),
            record.secret_hash.as_bytes(),
            record.user,
            record.kind.as_str(),
            record.name,
            record.created.unix_millis(),
            record.authenticated.unix_millis(),
            record.seen.unix_millis(),
            ends_by,
            ends_by_org,
            record.idle.map(millis),
            record.client.agent,
            record.client.device,
            record.client.address.map(|address| address.to_string()),
            record.client.location,
            ended.map(|ended| ended.at.unix_millis()),
            ended.map(|ended| ended.reason.as_str()),
            ended.and_then(|ended| ended.org.as_ref()),
            record.purge_after.unix_millis(),
        ],
    )?;
    Ok(())
}

/// Makes a session belong to an organisation, whose rules are stored if this is its first at `now`.
fn join(
    file: &Connection,
    record: &Record,
    org: &Arc<str>,
    joined: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    let rules = match rows::org_rules(file, org)? {
        Some(rules) => rules,
        None => {
            let rules = OrgRules::first(now);
            execute(
                file,
                "INSERT INTO curfew_orgs (org, rules) VALUES (?1, ?2)",
                params![org, rules.to_string()],
            )?;
            rules
        }
    };
    execute(
        file,
        "INSERT INTO curfew_members (session, org, created, generation, version, joined) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            record.id.as_bytes(),
            org,
            record.created.unix_millis(),
            rules.generation(),
            rules.version(),
            joined.unix_millis(),
        ],
    )?;
    Ok(())
}

fn is_still(current: &Facts, seen: &Facts) -> bool {
    let (record, old) = (current.record(), seen.record());
    record.memberships == old.memberships
        && record.ends_by == old.ends_by
        && record.seen == old.seen
        && current
            .memberships()
            .zip(seen.memberships())
            .all(|((_, rules), (_, old))| rules.revision() == old.revision())
}

/// The hash of the secret, if the session has not ended.
fn living_hash(file: &Connection, id: SessionId) -> rusqlite::Result<Option<SecretHash>> {
    file.prepare_cached(
        "SELECT secret_hash FROM curfew_sessions WHERE id = ?1 AND ended_at IS NULL",
    )?
    .query_row([id.as_bytes()], |row| row.get(0).map(SecretHash::from_bytes))
    .optional()
}

fn execute(file: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    file.prepare_cached(sql)?.execute(params)
}
