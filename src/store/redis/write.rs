//! Changing sessions and rules.
//!
//! A record is written before the entries that list it, and those are forgotten only when it has ended
//! or is gone: so nobody who is alive is ever unlisted after the call that began the session.

use redis::{Cmd, Value};
use time::Duration;

use super::Shared;
use super::error::Failure;
use super::read::{decoded, items, maybe_bytes, places, revision_bytes, time, value, word};
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
    set.arg(&key).arg(value(record)).arg("NX");
    if let Some(life) = life(record) {
        set.arg("PX").arg(life);
    }
    if store.connections.call(&set).await? == Value::Nil {
        let mut get = redis::cmd("GET");
        get.arg(&key);
        let there = maybe_bytes(store.connections.call(&get).await?)?.ok_or(Unreadable)?;
        let there = decoded(record.id(), &there)?;
        if there.secret_hash() != record.secret_hash() {
            return Err(Failure::Exists);
        }
        // The answer was lost, or the call before it was cut off: go on where it stopped.
        if there.has_ended() {
            return Ok(Inserted::Done);
        }
    }
    let keys = record.entered_keys();
    let (first, rest) = keys.split_first().ok_or(Unreadable)?;
    if word(store.connections.call(&store.enter(first, record, cap)).await?)? == "full" {
        let mut delete = store.connections.scripts.delete.over(&[key]);
        delete.arg(&revision_bytes(record.revision())[..]);
        store.connections.call(&delete).await?;
        return Ok(Inserted::Full);
    }
    let mut calls = redis::pipe();
    for key in rest {
        calls.add_command(store.enter(key, record, None));
    }
    calls.add_command(store.due(record));
    store.connections.run(&calls).await?;
    Ok(Inserted::Done)
}

pub(super) async fn replace(store: &Shared, record: &Record) -> Result<Replaced, Failure> {
    let scripts = &store.connections.scripts;
    let mut calls = redis::pipe();
    if !record.has_ended() {
        // All of them, in case a failover has lost some: and new ones come before the record.
        for key in record.keys() {
            calls.add_command(store.enter(&key, record, None));
        }
    }
    let script = if record.has_ended() { &scripts.end } else { &scripts.replace };
    let mut replace = script.over(&[store.session_key(record.id())]);
    replace.arg(&revision_bytes(record.previous())[..]).arg(value(record));
    replace.arg(life(record).map(|life| life.to_string()).unwrap_or_default());
    let place = calls.len();
    calls.add_command(replace);
    let mut answers = store.connections.run(&calls).await?;
    let replaced = match word(answers.swap_remove(place))?.as_str() {
        "done" => Replaced::Done,
        "stale" => return Ok(Replaced::Stale),
        "gone" => return Ok(Replaced::Gone),
        _ => return Err(Unreadable.into()),
    };
    // What this leaves undone, whoever lists or purges does.
    let mut calls = redis::pipe();
    calls.add_command(store.due(record));
    if record.has_ended() {
        for key in record.left_keys() {
            calls.add_command(store.forget(&key, record));
        }
    }
    store.connections.run(&calls).await?;
    Ok(replaced)
}

pub(super) async fn replace_rules(
    store: &Shared,
    org: &str,
    rules: &OrgRules,
    now: Timestamp,
) -> Result<bool, Failure> {
    let mut replace = store.connections.scripts.replace_rules.over(&store.rules_keys);
    let random = rules.revision().as_u64() & ((1 << RANDOM_BITS) - 1);
    replace
        .arg(org)
        .arg(&revision_bytes(rules.previous())[..])
        .arg([&revision_bytes(rules.revision())[..], &rules.encode()].concat())
        .arg(format!("{random:05x}"))
        .arg(now.unix_millis())
        .arg(store.server_clock.is_asked);
    match word(store.connections.call(&replace).await?)?.as_str() {
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
        let mut get = redis::cmd("MGET");
        for id in &due {
            get.arg(store.session_key(*id));
        }
        let found = items(Some(store.connections.call(&get).await?))?;
        for (id, found) in due.into_iter().zip(found) {
            if u64::from(at_most) <= purged {
                break;
            }
            purged += u64::from(purge_one(store, id, maybe_bytes(found)?, now).await?);
        }
    }
    Ok(purged)
}

/// Some of those that are due by their entry.
async fn due_ids(store: &Shared, now: Timestamp) -> Result<Vec<SessionId>, Failure> {
    let mut calls = redis::pipe();
    for part in 0..DUE_PARTS {
        let ask = calls.cmd("ZRANGEBYSCORE").arg(store.due_key(part)).arg("-inf");
        ask.arg(now.unix_millis()).arg("WITHSCORES").arg("LIMIT").arg(0).arg(DUE_AT_ONCE);
    }
    let mut ids = Vec::new();
    for answer in store.connections.run(&calls).await? {
        ids.extend(places(answer)?.into_iter().map(|(_, id)| id));
    }
    Ok(ids)
}

/// Says whether it deleted a record.
async fn purge_one(
    store: &Shared,
    id: SessionId,
    found: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let Some(found) = found else {
        store.connections.call(&store.not_due(id)).await?;
        return Ok(false);
    };
    let record = match decoded(id, &found) {
        Ok(record) if now < record.purge_after() => {
            // Its entry was older than it.
            store.connections.call(&store.due(&record)).await?;
            return Ok(false);
        }
        record => record,
    };
    let mut delete = store.connections.scripts.delete.over(&[store.session_key(id)]);
    delete.arg(found.get(..8).unwrap_or(&found));
    if store.connections.call(&delete).await? != Value::Int(1) {
        // It has been used since.
        return Ok(false);
    }
    let mut calls = redis::pipe();
    calls.add_command(store.not_due(id));
    if let Ok(record) = record {
        for key in record.keys() {
            calls.add_command(store.forget(&key, &record));
        }
    }
    store.connections.run(&calls).await?;
    Ok(true)
}

/// Sessions are listed in so many places by when they are due.
const DUE_PARTS: u8 = 16;

/// So many of each place are looked at at once.
const DUE_AT_ONCE: u32 = 16;

impl Shared {
    fn enter(&self, key: &Key, record: &Record, cap: Option<Cap>) -> Cmd {
        let mut enter = self.connections.scripts.enter.over(&[self.list_key(key)]);
        let except = cap.and_then(|cap| cap.except);
        enter
            .arg(&record.id().as_bytes()[..])
            .arg(record.created().unix_millis())
            .arg(life(record).map(|life| life.to_string()).unwrap_or_default())
            .arg(cap.map(|cap| cap.at_most.to_string()).unwrap_or_default())
            .arg(except.map(|id| id.as_bytes().to_vec()).unwrap_or_default());
        enter
    }

    fn forget(&self, key: &Key, record: &Record) -> Cmd {
        let mut forget = redis::cmd("ZREM");
        forget.arg(self.list_key(key)).arg(&record.id().as_bytes()[..]);
        forget
    }

    /// Takes down when a record is due.
    fn due(&self, record: &Record) -> Cmd {
        let id = record.id();
        if record.purge_after() == Timestamp::NEVER {
            return self.not_due(id);
        }
        let mut due = self.connections.scripts.due.over(&[self.due_key(part(id))]);
        due.arg(record.purge_after().unix_millis()).arg(&id.as_bytes()[..]);
        due
    }

    fn not_due(&self, id: SessionId) -> Cmd {
        let mut not_due = redis::cmd("ZREM");
        not_due.arg(self.due_key(part(id))).arg(&id.as_bytes()[..]);
        not_due
    }

    /// Refuses a caller whose clock is wrong.
    async fn check_clock(&self, now: Timestamp) -> Result<(), Failure> {
        let shown = match self.server_clock.now() {
            ServerTime { shown, is_due: false } => shown,
            ServerTime { is_due: true, .. } => {
                let time = time(Some(self.connections.call(&redis::cmd("TIME")).await?))?;
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

/// How many milliseconds a record and its entries live, if nobody purges; `None` is for ever.
///
/// It is a length, never a date: so neither the server's clock nor one that a test has moved can cut
/// a living session short. It counts from the last that is known of the session, which is not later
/// than now.
fn life(record: &Record) -> Option<i64> {
    let known = record.ended().map_or(record.last_seen(), |ended| ended.at);
    let left = record.purge_after().since(known);
    let is_for_ever = record.purge_after() == Timestamp::NEVER || LONGEST_LIFE < left;
    (!is_for_ever).then(|| crate::clock::millis(left + LIFE_MARGIN))
}

/// How much longer a session is kept than it has to be, if nobody purges.
const LIFE_MARGIN: Duration = Duration::days(7);

/// Longer than any limit. Beyond it keys do not expire.
const LONGEST_LIFE: Duration = Duration::days(100_000);
