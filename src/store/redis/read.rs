//! Reading sessions and rules.

use std::sync::Arc;

use redis::Value;

use super::Shared;
use super::answer::{Found, bytes, items, maybe_bytes, place_of, places, revision, text, time};
use super::call::Call;
use super::deployment::Deployment;
use super::error::Failure;
use super::server::Server;
use crate::clock::{ServerTime, Timestamp};
use crate::encoding::Unreadable;
use crate::policy::{ChangedRules, Incarnation, OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};
use crate::store::batch::{self, Batched, Batcher};
use crate::store::contract::{Listed, Loaded, Page};

pub(super) async fn load(store: &Arc<Shared>, id: SessionId) -> Result<Option<Loaded>, Failure> {
    let found = match store.server_of(id) {
        Some(server) => batch::ask(&Asked { store: store.clone(), server }, id).await?,
        // The lookup finds out.
        None => find(store, &[id]).await?.pop(),
    };
    let Found { value, rules, clock } = found.ok_or(Unreadable)?;
    let Some(value) = value else { return Ok(None) };
    let record = Arc::new(decoded(id, &value)?);
    store.settle(id, &value).await?;
    Ok(Some(Loaded { record, rules, clock }))
}

/// The revision of all rules, and the time of the server's clock.
pub(super) async fn stands(store: &Shared) -> Result<(Revision, Option<Timestamp>), Failure> {
    let (_, rules, clock) = records(store, &[]).await?;
    Ok((rules, clock))
}

/// The server that is asked: each has its own batches, so that they do not wait for each other.
#[derive(Clone)]
struct Asked {
    store: Arc<Shared>,
    server: Arc<Server>,
}

impl Batched for Asked {
    type Key = SessionId;
    type Answer = Found;
    type Failure = Failure;

    fn batcher(&self) -> &Batcher<SessionId, Found> {
        &self.server.loads
    }

    async fn ask(&self, ids: &[SessionId]) -> Result<Vec<Found>, Failure> {
        find(&self.store, ids).await
    }
}

async fn find(store: &Shared, ids: &[SessionId]) -> Result<Vec<Found>, Failure> {
    let (values, rules, clock) = records(store, ids).await?;
    Ok(values.into_iter().map(|value| Found { value, rules, clock }).collect())
}

/// The values of some sessions, and the revision of all rules, in one round trip.
async fn records(
    store: &Shared,
    ids: &[SessionId],
) -> Result<(Vec<Option<Vec<u8>>>, Revision, Option<Timestamp>), Failure> {
    let head = &store.rules_keys[0];
    let calls = match &store.deployment {
        Deployment::One(_) => {
            let mut get = redis::cmd("MGET");
            for id in ids {
                get.arg(store.session_key(*id));
            }
            get.arg(head);
            vec![Call::new(&**head, get)]
        }
        // Each of them may be on another node.
        Deployment::Cluster(_) => {
            let keys = ids.iter().map(|id| store.session_key(*id)).chain([head.clone()]);
            keys.map(|key| Call::get(&key)).collect()
        }
    };
    let (mut values, clock) = match store.server_clock.now() {
        ServerTime { shown, is_due: false } => (store.deployment.all(calls).await?, shown),
        ServerTime { is_due: true, .. } => Box::pin(with_time(store, calls)).await?,
    };
    if let Deployment::One(_) = store.deployment {
        values = items(values.pop())?;
    }
    let head = values.pop();
    let found = values.into_iter().map(maybe_bytes).collect::<Result<_, _>>()?;
    Ok((found, revision(head)?, clock))
}

/// The answers of primaries, and the time of one of their clocks.
async fn with_time(
    store: &Shared,
    mut calls: Vec<Call>,
) -> Result<(Vec<Value>, Option<Timestamp>), Failure> {
    store.deployment.look();
    calls.push(Call::new(&*store.rules_keys[0], redis::cmd("TIME")));
    let answers = store.deployment.all_on_primary(calls).await;
    // Until a primary has answered, the next call also looks for one.
    let mut answers = answers.inspect_err(|_| store.server_clock.forget())?;
    let time = time(answers.pop())?;
    store.server_clock.shows(time);
    Ok((answers, Some(time)))
}

pub(super) async fn list(store: &Shared, key: &Key, page: Page) -> Result<Listed, Failure> {
    let index = store.list_key(key);
    let mut ask = store.scripts.page.over(std::slice::from_ref(&index));
    match page.after {
        Some((created, id)) => ask.arg(created.unix_millis()).arg(&id.as_bytes()[..]),
        None => ask.arg("").arg(""),
    };
    ask.arg(page.at_most);
    let places = places(store.deployment.call(Call::new(&*index, ask)).await?)?;
    let next = places.last().copied().filter(|_| places.len() == page.at_most as usize);
    let ids = places.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    let (found, rules, clock) = records(store, &ids).await?;
    let mut listed = Listed { records: Vec::new(), unreadable: 0, next, rules, clock };
    let mut dead = Vec::new();
    for (id, value) in ids.into_iter().zip(found) {
        let value = match value {
            Some(value) if !has_ended(&value) => value,
            value => {
                store.settle(id, &value.unwrap_or_default()).await?;
                dead.push(id);
                continue;
            }
        };
        match decoded(id, &value) {
            // The entry of an organization that it has left stays until the session has ended.
            Ok(record) if !record.is_under(key) => {}
            Ok(record) => listed.records.push(Arc::new(record)),
            Err(Unreadable) => listed.unreadable += 1,
        }
    }
    if !dead.is_empty() {
        // Nothing brings them back, so concurrent calls would remove the same entries.
        let mut forget = redis::cmd("ZREM");
        forget.arg(&index);
        for id in &dead {
            forget.arg(&id.as_bytes()[..]);
        }
        store.deployment.call(Call::new(index, forget)).await?;
    }
    Ok(listed)
}

pub(super) async fn rules_since(
    store: &Shared,
    since: Revision,
    at_most: u32,
) -> Result<RulesChanged, Failure> {
    let mut info = redis::cmd("INFO");
    info.arg("replication");
    let mut ask = store.scripts.rules_since.over(&store.rules_keys);
    ask.arg(format!("[{:016x}", since.as_u64() + 1)).arg(at_most);
    // They have one key, so they go to one server, in this order.
    let calls = [info, ask].map(|call| Call::new(&*store.rules_keys[0], call));
    let mut answers = store.deployment.all(calls.into()).await?.into_iter();
    let info = text(bytes(answers.next())?)?;
    let life = info.lines().find(|line| line.starts_with("master_replid:"));
    let incarnation = Incarnation::of(life.ok_or(Unreadable)?.trim());

    let mut items = items(answers.next())?.into_iter();
    let mut reaches = revision(items.next())?;
    let mut changes = Vec::new();
    while let Some(org) = items.next() {
        let org = text(bytes(Some(org))?)?.into();
        let value = bytes(items.next())?;
        let (place, rules) = value.split_at_checked(PLACE).ok_or(Unreadable)?;
        let rules = rules.get(HEAD..).ok_or(Unreadable).and_then(OrgRules::decode);
        changes.push(ChangedRules { org, rules });
        if changes.len() == at_most as usize {
            reaches = place_of(place)?;
        }
    }
    Ok(RulesChanged { changes, reaches, incarnation })
}

/// A record as stored: its revision and its state, for scripts, and the whole record.
pub(super) fn value(record: &Record, state: u8) -> Vec<u8> {
    [&revision_bytes(record.revision())[..], &[state], &record.encode()].concat()
}

/// The states of a record.
pub(super) const LIVING: u8 = b'L';
pub(super) const ENDED: u8 = b'E';
/// It has ended, and it is not yet known whether enough replicas have the end.
pub(super) const ENDED_HERE: u8 = b'e';

pub(super) fn revision_bytes(revision: Revision) -> [u8; HEAD] {
    revision.as_u64().to_be_bytes()
}

/// The digits of the revision of all rules.
const PLACE: usize = 16;

const HEAD: usize = 8;

pub(super) fn has_ended(value: &[u8]) -> bool {
    matches!(value.get(HEAD), Some(&(ENDED | ENDED_HERE)))
}

pub(super) fn decoded(id: SessionId, value: &[u8]) -> Result<Record, Unreadable> {
    let record = Record::decode(value.get(HEAD + 1..).ok_or(Unreadable)?)?;
    if record.id() == id { Ok(record) } else { Err(Unreadable) }
}

impl Shared {
    /// Waits until enough replicas have the end of a session, before it is reported; an earlier
    /// call may have waited in vain.
    async fn settle(&self, id: SessionId, value: &[u8]) -> Result<(), Failure> {
        if self.replicas.is_none() || value.get(HEAD) != Some(&ENDED_HERE) {
            return Ok(());
        }
        let again = self.mark_end(id, &value[..HEAD], ENDED_HERE);
        self.deployment.call(Call { replicas: self.replicas, ..again }).await?;
        self.deployment.call(self.mark_end(id, &value[..HEAD], ENDED)).await?;
        Ok(())
    }

    pub(super) fn mark_end(&self, id: SessionId, revision: &[u8], state: u8) -> Call {
        let key = self.session_key(id);
        let mut mark = self.scripts.settle.over(std::slice::from_ref(&key));
        mark.arg(revision).arg(&[state][..]);
        Call::new(key, mark)
    }

    /// The server that is responsible for a session, if it is known.
    fn server_of(&self, id: SessionId) -> Option<Arc<Server>> {
        match &self.deployment {
            Deployment::One(server) => Some(server.clone()),
            Deployment::Cluster(cluster) => cluster.server_of(&self.session_key(id)),
        }
    }

    pub(super) fn session_key(&self, id: SessionId) -> Vec<u8> {
        self.key("session:", id.as_bytes())
    }

    /// The common prefix of the keys of all sessions.
    pub(super) fn session_prefix(&self) -> Vec<u8> {
        self.key("session:", b"")
    }

    /// The key of a list of sessions.
    pub(super) fn list_key(&self, key: &Key) -> Vec<u8> {
        self.key("", key.as_str().as_bytes())
    }

    /// The key of a list of sessions by due time: in several parts, since one would be busy.
    pub(super) fn due_key(&self, part: u8) -> Vec<u8> {
        self.key("due:", format!("{part:x}").as_bytes())
    }

    pub(super) fn key(&self, kind: &str, name: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), kind.as_bytes(), name].concat()
    }
}
