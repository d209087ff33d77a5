//! Reading all sessions, and importing those of another store.

use std::sync::Arc;

use super::error::{FULL, NO_PLACE};
use super::open::{SHARDS, Tables};
use super::read::shard_of;
use crate::session::{Record, SessionId};
use crate::store::error::StoreError;
use crate::store::scan::{IN_USE, ScanPlace, Scanned};

/// Shard by shard, in the order of the ids in each.
pub(super) fn scan(
    tables: &Tables,
    after: Option<ScanPlace>,
    at_most: u32,
) -> Result<Scanned, StoreError> {
    let of_about = after.is_none().then(|| tables.len() as u64);
    let after = after.map(|place| place.as_bytes().try_into().map(SessionId::from_bytes));
    let after = after.transpose().map_err(|_| NO_PLACE)?;
    let at_most = at_most as usize;
    let mut records = Vec::new();
    for shard in after.map_or(0, shard_of)..SHARDS {
        let begins_after = after.filter(|after| shard_of(*after) == shard);
        let mut rest = tables.records_of(shard);
        rest.retain(|record| begins_after.is_none_or(|after| after < record.id()));
        rest.sort_unstable_by_key(|record| record.id());
        rest.truncate(at_most - records.len());
        records.append(&mut rest);
        if records.len() == at_most {
            break;
        }
    }
    let last = records.last().filter(|_| records.len() == at_most);
    let next = last.map(|last| ScanPlace::from_bytes(*last.id().as_bytes()));
    Ok(Scanned { records, unreadable: 0, next, of_about })
}

pub(super) fn import(tables: &Tables, records: Vec<Arc<Record>>) -> Result<u64, StoreError> {
    let mut new = 0;
    for record in records {
        let mut index = tables.index();
        let mut shard = tables.shard_mut(record.id());
        match shard.find(record.id()) {
            Some(there) if there.revision() == record.revision() => {}
            Some(_) => return Err(StoreError::message(IN_USE)),
            None if tables.capacity <= tables.len() => return Err(FULL),
            None => {
                tables.file(&mut index, &mut shard, record);
                new += 1;
            }
        }
    }
    Ok(new)
}
