//! Reading sessions and rules.

use std::sync::Arc;

use tokio_postgres::Row;

use super::Shared;
use super::error::Failure;
use super::values::{ClockTime, Hidden};
use crate::clock::{ServerTime, Timestamp};
use crate::encoding::Unreadable;
use crate::policy::{ChangedRules, Incarnation, OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};
use crate::store::batch::{self, Batched, Batcher};
use crate::store::contract::{Listed, Loaded, Page};

/// The result of loading one session.
pub(super) struct Found {
    row: Row,
    clock: Option<Timestamp>,
}

pub(super) async fn load(store: &Arc<Shared>, id: SessionId) -> Result<Option<Loaded>, Failure> {
    let Found { row, clock } = batch::ask(store, id).await?.ok_or(Unreadable)?;
    let Some(body) = row.try_get(0)? else {
        return Ok(None);
    };
    let record = Arc::new(Record::decode(body)?);
    if record.id() != id {
        return Err(Unreadable.into());
    }
    Ok(Some(Loaded { record, rules: revision(&row, 1)?, clock }))
}

impl Batched for Arc<Shared> {
    type Key = SessionId;
    type Answer = Found;
    type Failure = Failure;

    fn batcher(&self) -> &Batcher<SessionId, Found> {
        &self.loads
    }

    async fn ask(&self, ids: &[SessionId]) -> Result<Vec<Found>, Failure> {
        let time = self.server_clock.now();
        let with_time = usize::from(time.is_due);
        let ids = ids.iter().map(|id| &id.as_bytes()[..]).collect::<Vec<_>>();
        let rows = match &ids[..] {
            [id] => self.readers.read(&self.sql.load[with_time], &[&Hidden(*id)]).await?,
            _ => self.readers.read(&self.sql.load_all[with_time], &[&Hidden(ids)]).await?,
        };
        let clock = self.clock(time, rows.first().ok_or(Unreadable)?, 2)?;
        Ok(rows.into_iter().map(|row| Found { row, clock }).collect())
    }
}

pub(super) async fn list(store: &Shared, key: &Key, page: Page) -> Result<Listed, Failure> {
    let (created, id) = page.after.unwrap_or(LAST);
    let time = store.server_clock.now();
    let place = (Hidden(created.unix_millis()), Hidden(&id.as_bytes()[..]));
    let (digest, at_most) = (Hidden(key.digest().cast_signed()), i64::from(page.at_most));
    let head = store.readers.read(&store.sql.head[usize::from(time.is_due)], &[]).await?;
    let head = head.first().ok_or(Unreadable)?;
    let clock = store.clock(time, head, 1)?;
    let rows =
        store.readers.read(&store.sql.list, &[&digest, &place.0, &place.1, &at_most]).await?;
    let rules = revision(head, 0)?;
    let mut listed = Listed { records: Vec::new(), unreadable: 0, next: None, rules, clock };
    for row in &rows {
        match Record::decode(row.try_get(2)?) {
            // Two keys can share a digest; this record belongs to the other one.
            Ok(record) if !record.is_under(key) => {}
            Ok(record) => listed.records.push(Arc::new(record)),
            Err(Unreadable) => listed.unreadable += 1,
        }
    }
    if let Some(last) = rows.last().filter(|_| rows.len() as i64 == at_most) {
        let created = Timestamp::from_unix_millis(last.try_get(0)?);
        listed.next = Some((created, session_id(last, 1)?));
    }
    Ok(listed)
}

/// After every place that a record can have in a list.
const LAST: (Timestamp, SessionId) = (Timestamp::NEVER, SessionId::from_bytes([0xff; 16]));

pub(super) async fn rules_since(
    store: &Shared,
    since: Revision,
    at_most: u32,
) -> Result<RulesChanged, Failure> {
    let params = (Hidden(since.as_u64().cast_signed()), i64::from(at_most));
    // One statement, so one consistent read.
    let rows = store.readers.read(&store.sql.rules_since, &[&params.0, &params.1]).await?;
    let head = rows.first().ok_or(Unreadable)?;
    let mut reaches = revision(head, 0)?;
    let incarnation = Incarnation::of(head.try_get::<_, &str>(1)?);
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        // Without changes there is one row without rules.
        let Some(org) = row.try_get::<_, Option<&str>>(2)? else {
            break;
        };
        if at_most as usize == rows.len() {
            reaches = revision(row, 3)?;
        }
        let rules = OrgRules::decode(row.try_get(4)?);
        changes.push(ChangedRules { org: org.into(), rules });
    }
    Ok(RulesChanged { changes, reaches, incarnation })
}

pub(super) fn revision(row: &Row, column: usize) -> Result<Revision, Failure> {
    Ok(Revision::from_u64(row.try_get::<_, i64>(column)?.cast_unsigned()))
}

pub(super) fn session_id(row: &Row, column: usize) -> Result<SessionId, Failure> {
    let bytes: &[u8] = row.try_get(column)?;
    Ok(SessionId::from_bytes(bytes.try_into().map_err(|_| Unreadable)?))
}

impl Shared {
    /// The time of the server's clock, if this column asked for it.
    fn clock(
        &self,
        time: ServerTime,
        row: &Row,
        column: usize,
    ) -> Result<Option<Timestamp>, Failure> {
        if !time.is_due {
            return Ok(time.shown);
        }
        let ClockTime(time) = row.try_get(column)?;
        self.server_clock.shows(time);
        Ok(Some(time))
    }
}
