//! Changing sessions and rules.
//!
//! A record is written before the entries that list it, and those are removed only when it has
//! ended or is gone. So a living session is never unlisted after the call that began it.

use redis::Value;
use time::Duration;

use super::Shared;
use super::answer::{maybe_bytes, places, time, word};
use super::call::Call;
use super::error::Failure;
use super::read::{ENDED, ENDED_HERE, LIVING, decoded, revision_bytes, value};
use crate::clock::{ServerClock, ServerTime, Timestamp};
use crate::encoding::Unreadable;
use crate::policy::{OrgRules, RANDOM_BITS};
use crate::session::{Key, Record, SessionId};
use crate::store::contract::{Cap, Inserted, Replaced};

pub(super) async fn insert(
    store: &Shared,
    record: &Record,
    cap: Option<Cap>,
) -> Result<Inserted, Failure> {
    store.check_clock(record.created()).await?;
    let key = store.session_key(record.id());
    let mut set = redis::cmd("SET");
    set.arg(&key).arg(value(record, LIVING)).arg("NX");
    if let Some(life) = life(record) {
        set.arg("PX").arg(life);
    }
    if store.deployment.call(Call::new(&*key, set)).await? == Value::Nil {
        let there =
            maybe_bytes(store.deployment.call(Call::get(&key)).await?)?.ok_or(Unreadable)?;
        let there = decoded(record.id(), &there)?;
        if there.secret_hash() != record.secret_hash() {
            return Err(Failure::Exists);
        }
        // The answer was lost, or the previous call was interrupted: continue where it stopped.
        if there.has_ended() {
            return Ok(Inserted::Done);
        }
    }
    let keys = record.entered_keys();
    let (first, rest) = keys.split_first().ok_or(Unreadable)?;
    if word(store.deployment.call(store.enter(first, record, cap)).await?)? == "full" {
        store.deployment.call(store.delete(key, &revision_bytes(record.revision()))).await?;
        return Ok(Inserted::Full);
    }
    let mut calls: Vec<_> = rest.iter().map(|key| store.enter(key, record, None)).collect();
    calls.push(store.due(record));
    store.deployment.all(calls).await?;
    Ok(Inserted::Done)
}

pub(super) async fn replace(store: &Shared, record: &Record) -> Result<Replaced, Failure> {
    let has_ended = record.has_ended();
    // All of them, in case a failover has lost some. New ones come before the record.
    let lists = if has_ended { Vec::new() } else { record.keys() };
    let enter = lists.iter().map(|key| store.enter(key, record, None)).collect();
    let (script, state, replicas) = match (has_ended, store.replicas) {
        (false, _) => (&store.scripts.replace, LIVING, None),
        (true, None) => (&store.scripts.end, ENDED, None),
        (true, replicas) => (&store.scripts.end, ENDED_HERE, replicas),
    };
    let key = store.session_key(record.id());
    let mut replace = script.over(std::slice::from_ref(&key));
    replace.arg(&revision_bytes(record.previous())[..]).arg(value(record, state));
    replace.arg(life(record).map(|life| life.to_string()).unwrap_or_default());
    let replace = Call { replicas, ..Call::new(key, replace) };
    let replaced = match word(store.deployment.then(enter, replace).await?)?.as_str() {
        "done" => Replaced::Done,
        "stale" => return Ok(Replaced::Stale),
        "gone" => return Ok(Replaced::Gone),
        _ => return Err(Unreadable.into()),
    };
    // The next call that lists or purges completes what this leaves undone.
    let mut calls = vec![store.due(record)];
    if has_ended {
        calls.extend(record.left_keys().iter().map(|key| store.forget(key, record)));
    }
    if replicas.is_some() {
        calls.push(store.mark_end(record.id(), &revision_bytes(record.revision()), ENDED));
    }
    store.deployment.all(calls).await?;
    Ok(replaced)
}

pub(super) async fn replace_rules(
    store: &Shared,
    org: &str,
    rules: &OrgRules,
    now: Timestamp,
) -> Result<bool, Failure> {
    let mut replace = store.scripts.replace_rules.over(&store.rules_keys);
    let random = rules.revision().as_u64() & ((1 << RANDOM_BITS) - 1);
    replace
        .arg(org)
        .arg(&revision_bytes(rules.previous())[..])
        .arg([&revision_bytes(rules.revision())[..], &rules.encode()].concat())
        .arg(format!("{random:05x}"))
        .arg(now.unix_millis())
        .arg(store.server_clock.is_asked);
    let replace = Call { replicas: store.replicas, ..Call::new(&*store.rules_keys[0], replace) };
    match word(store.deployment.call(replace).await?)?.as_str() {
        "done" => Ok(true),
        "stale" => Ok(false),
        "clock" => Err(Failure::ClocksDiffer),
        _ => Err(Unreadable.into()),
    }
}

pub(super) async fn purge(store: &Shared, now: Timestamp, at_most: u32) -> Result<u64, Failure> {
    store.check_clock(now).await?;
    let mut purged = 0;
    while purged < u64::from(at_most) {
        let due = due_ids(store, now).await?;
        if due.is_empty() {
            break;
        }
        let calls = due.iter().map(|id| Call::get(&store.session_key(*id))).collect();
        let found = store.deployment.all(calls).await?;
        for (id, found) in due.into_iter().zip(found) {
            if u64::from(at_most) <= purged {
                break;
            }
            purged += u64::from(purge_one(store, id, maybe_bytes(found)?, now).await?);
        }
    }
    Ok(purged)
}

/// Some of the ids whose entries are due.
async fn due_ids(store: &Shared, now: Timestamp) -> Result<Vec<SessionId>, Failure> {
    let ask = |part| {
        let (key, mut ask) = (store.due_key(part), redis::cmd("ZRANGEBYSCORE"));
        ask.arg(&key).arg("-inf").arg(now.unix_millis()).arg("WITHSCORES");
        ask.arg("LIMIT").arg(0).arg(DUE_AT_ONCE);
        Call::new(key, ask)
    };
    let mut ids = Vec::new();
    for answer in store.deployment.all((0..DUE_PARTS).map(ask).collect()).await? {
        ids.extend(places(answer)?.into_iter().map(|(_, id)| id));
    }
    Ok(ids)
}

/// Returns whether it deleted a record.
async fn purge_one(
    store: &Shared,
    id: SessionId,
    found: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let Some(found) = found else {
        store.deployment.call(store.not_due(id)).await?;
        return Ok(false);
    };
    let record = match decoded(id, &found) {
        Ok(record) if now < record.purge_after() => {
            // The entry was older than the record.
            store.deployment.call(store.due(&record)).await?;
            return Ok(false);
        }
        record => record,
    };
    let delete = store.delete(store.session_key(id), found.get(..8).unwrap_or(&found));
    if store.deployment.call(delete).await? != Value::Int(1) {
        // It has been used since.
        return Ok(false);
    }
    let mut calls = vec![store.not_due(id)];
    if let Ok(record) = record {
        calls.extend(record.keys().iter().map(|key| store.forget(key, &record)));
    }
    store.deployment.all(calls).await?;
    Ok(true)
}

/// The number of lists by due time.
const DUE_PARTS: u8 = 16;

/// The number of entries of each list that are looked at at once.
const DUE_AT_ONCE: u32 = 16;

impl Shared {
    pub(super) fn enter(&self, key: &Key, record: &Record, cap: Option<Cap>) -> Call {
        let key = self.list_key(key);
        let mut enter = self.scripts.enter.over(std::slice::from_ref(&key));
        let except = cap.and_then(|cap| cap.except);
        enter
            .arg(&record.id().as_bytes()[..])
            .arg(record.created().unix_millis())
            .arg(life(record).map(|life| life.to_string()).unwrap_or_default())
            .arg(cap.map(|cap| cap.at_most.to_string()).unwrap_or_default())
            .arg(except.map(|id| id.as_bytes().to_vec()).unwrap_or_default());
        Call::new(key, enter)
    }

    fn forget(&self, key: &Key, record: &Record) -> Call {
        let (key, mut forget) = (self.list_key(key), redis::cmd("ZREM"));
        forget.arg(&key).arg(&record.id().as_bytes()[..]);
        Call::new(key, forget)
    }

    /// Records the due time of a record.
    pub(super) fn due(&self, record: &Record) -> Call {
        let id = record.id();
        if record.purge_after() == Timestamp::NEVER {
            return self.not_due(id);
        }
        let key = self.due_key(part(id));
        let mut due = self.scripts.due.over(std::slice::from_ref(&key));
        due.arg(record.purge_after().unix_millis()).arg(&id.as_bytes()[..]);
        Call::new(key, due)
    }

    fn not_due(&self, id: SessionId) -> Call {
        let (key, mut not_due) = (self.due_key(part(id)), redis::cmd("ZREM"));
        not_due.arg(&key).arg(&id.as_bytes()[..]);
        Call::new(key, not_due)
    }

    fn delete(&self, key: Vec<u8>, revision: &[u8]) -> Call {
        let mut delete = self.scripts.delete.over(std::slice::from_ref(&key));
        delete.arg(revision);
        Call::new(key, delete)
    }

    /// Returns an error if the caller's clock is wrong.
    async fn check_clock(&self, now: Timestamp) -> Result<(), Failure> {
        let shown = match self.server_clock.now() {
            ServerTime { shown, is_due: false } => shown,
            ServerTime { is_due: true, .. } => {
                let ask = Call::new(&*self.rules_keys[0], redis::cmd("TIME"));
                let time = time(Some(self.deployment.call(ask).await?))?;
                self.server_clock.shows(time);
                Some(time)
            }
        };
        let is_apart = shown.is_some_and(|shown| ServerClock::is_apart(shown, now));
        if is_apart { Err(Failure::ClocksDiffer) } else { Ok(()) }
    }
}

fn part(id: SessionId) -> u8 {
    id.as_bytes()[0] % DUE_PARTS
}

/// How many milliseconds a record and its entries live without a purge; `None` is without end.
///
/// It is a duration, never a date, so neither the server's clock nor one that a test has moved can
/// shorten a living session. It counts from the last known time of the session, which is not later
/// than now.
pub(super) fn life(record: &Record) -> Option<i64> {
    let known = record.ended().map_or(record.last_seen(), |ended| ended.at);
    let left = record.purge_after().since(known);
    let is_for_ever = record.purge_after() == Timestamp::NEVER || LONGEST_LIFE < left;
    (!is_for_ever).then(|| crate::clock::millis(left + LIFE_MARGIN))
}

/// How much longer than necessary a session is kept without a purge.
const LIFE_MARGIN: Duration = Duration::days(7);

/// Longer than any limit. Beyond it keys do not expire.
const LONGEST_LIFE: Duration = Duration::days(100_000);
