//! Reading all sessions, and importing those of another store.

use std::sync::Arc;

use redis::Value;

use super::Shared;
use super::answer::{items, maybe_bytes};
use super::call::Call;
use super::error::Failure;
use super::read::{ENDED, LIVING, decoded, value};
use super::write::life;
use crate::encoding::Unreadable;
use crate::session::{Record, SessionId};
use crate::store::scan::{ScanPlace, Scanned};

pub(super) async fn scan(
    store: &Shared,
    after: Option<&ScanPlace>,
    about: u32,
) -> Result<Scanned, Failure> {
    let of_about = match after {
        Some(_) => None,
        None => Some(keys(store).await?),
    };
    let mut scanned = Scanned { records: Vec::new(), unreadable: 0, next: None, of_about };
    let place = after.map_or(Ok(Place::default()), Place::of)?;
    let sessions = store.key("session:", b"");
    let mut ask = redis::cmd("SCAN");
    ask.arg(place.cursor).arg("MATCH").arg([&glob(&sessions)[..], b"*"].concat());
    ask.arg("COUNT").arg(about);
    let Some(answer) = store.deployment.at(place.server, &ask).await? else {
        return Ok(scanned);
    };
    let mut parts = items(Some(answer))?.into_iter();
    let cursor = maybe_bytes(parts.next().ok_or(Unreadable)?)?.ok_or(Unreadable)?;
    let cursor = str::from_utf8(&cursor).ok().and_then(|digits| digits.parse().ok());
    scanned.next = Some(place.after(cursor.ok_or(Unreadable)?));
    let mut ids = Vec::new();
    for key in items(parts.next())? {
        let key = maybe_bytes(key)?.ok_or(Unreadable)?;
        match key.strip_prefix(&*sessions).and_then(|id| id.try_into().ok()) {
            Some(id) => ids.push(SessionId::from_bytes(id)),
            None => scanned.unreadable += 1,
        }
    }
    let calls = ids.iter().map(|id| Call::get(&store.session_key(*id))).collect();
    for (id, found) in ids.into_iter().zip(store.deployment.all(calls).await?) {
        // A session that is gone by now did not exist throughout.
        match maybe_bytes(found)?.map(|found| decoded(id, &found)) {
            Some(Ok(record)) => scanned.records.push(Arc::new(record)),
            Some(Err(Unreadable)) => scanned.unreadable += 1,
            None => {}
        }
    }
    Ok(scanned)
}

/// About as many as there are sessions: most keys belong to sessions, users, and due times.
async fn keys(store: &Shared) -> Result<u64, Failure> {
    let mut count = 0;
    let (mut server, ask) = (0, redis::cmd("DBSIZE"));
    while let Some(answer) = store.deployment.at(server, &ask).await? {
        let Value::Int(keys) = answer else {
            return Err(Unreadable.into());
        };
        count += keys.unsigned_abs();
        server += 1;
    }
    Ok(count)
}

/// The server that is scanned, and its cursor.
#[derive(Clone, Copy, Default)]
struct Place {
    server: u32,
    cursor: u64,
}

impl Place {
    fn of(place: &ScanPlace) -> Result<Self, Unreadable> {
        let (server, cursor) = place.as_bytes().split_first_chunk().ok_or(Unreadable)?;
        let cursor = cursor.try_into().map_err(|_| Unreadable)?;
        Ok(Self { server: u32::from_be_bytes(*server), cursor: u64::from_be_bytes(cursor) })
    }

    fn after(self, cursor: u64) -> ScanPlace {
        let server = if cursor == 0 { self.server + 1 } else { self.server };
        ScanPlace::from_bytes([&server.to_be_bytes()[..], &cursor.to_be_bytes()].concat())
    }
}

/// A pattern that matches only these bytes.
fn glob(bytes: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if b"*?[]\\^-".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern
}

pub(super) async fn import(store: &Shared, records: &[Arc<Record>]) -> Result<u64, Failure> {
    let set = |record: &Arc<Record>| {
        let (key, mut set) = (store.session_key(record.id()), redis::cmd("SET"));
        let state = if record.has_ended() { ENDED } else { LIVING };
        set.arg(&key).arg(value(record, state)).arg("NX");
        if let Some(life) = life(record) {
            set.arg("PX").arg(life);
        }
        Call::new(key, set)
    };
    let answers = store.deployment.all(records.iter().map(set).collect()).await?;
    let (mut new, mut there) = (0, Vec::new());
    for (record, answer) in records.iter().zip(answers) {
        match answer {
            Value::Nil => there.push(record),
            _ => new += 1,
        }
    }
    let calls = there.iter().map(|record| Call::get(&store.session_key(record.id()))).collect();
    for (record, found) in there.iter().zip(store.deployment.all(calls).await?) {
        let found = maybe_bytes(found)?.ok_or(Unreadable)?;
        if decoded(record.id(), &found)?.revision() != record.revision() {
            return Err(Failure::InUse);
        }
    }
    // Including existing ones: the previous call may have been interrupted.
    let mut calls = Vec::new();
    for record in records {
        calls.extend(record.listed_keys().iter().map(|key| store.enter(key, record, None)));
        calls.push(store.due(record));
    }
    store.deployment.all(calls).await?;
    Ok(new)
}
