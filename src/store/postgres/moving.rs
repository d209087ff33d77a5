//! Reading all sessions, and importing those of another store.

use std::sync::Arc;

use super::Shared;
use super::error::Failure;
use super::read::session_id;
use super::transaction::Transaction;
use super::values::{Hidden, Params};
use super::write::{cell, digests, number};
use crate::encoding::Unreadable;
use crate::session::Record;
use crate::store::error::StoreError;
use crate::store::scan::{IN_USE, ScanPlace, Scanned};

pub(super) async fn scan(
    store: &Shared,
    after: Option<&ScanPlace>,
    at_most: u32,
) -> Result<Scanned, Failure> {
    let of_about = match after {
        Some(_) => None,
        None => {
            let table = &store.names.sessions;
            let about: i64 = cell(&store.readers.read(&store.sql.about, &[table]).await?)?;
            u64::try_from(about).ok()
        }
    };
    let place = Hidden(after.map(ScanPlace::as_bytes).unwrap_or_default());
    let rows = store.readers.read(&store.sql.scan, &[&place, &i64::from(at_most)]).await?;
    let mut scanned = Scanned { records: Vec::new(), unreadable: 0, next: None, of_about };
    for row in &rows {
        match Record::decode(row.try_get(1)?) {
            Ok(record) => scanned.records.push(Arc::new(record)),
            Err(Unreadable) => scanned.unreadable += 1,
        }
    }
    if let Some(last) = rows.last().filter(|_| rows.len() == at_most as usize) {
        scanned.next = Some(ScanPlace::from_bytes(*session_id(last, 0)?.as_bytes()));
    }
    Ok(scanned)
}

pub(super) async fn import(store: &Shared, records: &[Arc<Record>]) -> Result<u64, Failure> {
    let mut new = 0;
    for batch in records.chunks(BATCH) {
        let transaction = store.writers.begin().await?;
        let outcome = import_within(&transaction, store, batch).await;
        new += transaction.end(outcome).await?;
    }
    Ok(new)
}

/// The number of rows at once, few enough for a timely answer.
const BATCH: usize = 1000;

async fn import_within(
    transaction: &Transaction,
    store: &Shared,
    records: &[Arc<Record>],
) -> Result<u64, Failure> {
    let ids = records.iter().map(|record| record.id()).collect::<Vec<_>>();
    let ids = Hidden(ids.iter().map(|id| &id.as_bytes()[..]).collect::<Vec<_>>());
    let revisions = Hidden(column(records, |record| number(record.revision())));
    let (mut keys, mut created, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    for (record, id) in records.iter().zip(&ids.0) {
        for key in digests(&record.listed_keys()) {
            keys.push(key);
            created.push(record.created().unix_millis());
            sessions.push(*id);
        }
    }
    let params: Params<'_> = &[
        &ids,
        &revisions,
        &Hidden(column(records, |record| &**record.user())),
        &Hidden(column(records, |record| record.created().unix_millis())),
        &Hidden(column(records, |record| record.last_seen().unix_millis())),
        &Hidden(column(records, |record| record.ended().map(|ended| ended.at.unix_millis()))),
        &Hidden(column(records, |record| record.ended().map(|ended| ended.reason.as_str()))),
        &Hidden(column(records, |record| record.purge_after().unix_millis())),
        &Hidden(column(records, |record| record.encode())),
        &Hidden(keys),
        &Hidden(created),
        &Hidden(sessions),
    ];
    let new: i64 = cell(&transaction.query(&store.sql.import, params).await?)?;
    if (new as usize) < records.len() {
        let others: i64 = cell(&transaction.query(&store.sql.others, &[&ids, &revisions]).await?)?;
        if 0 < others {
            return Err(StoreError::message(IN_USE).into());
        }
    }
    Ok(new.cast_unsigned())
}

fn column<'a, T>(records: &'a [Arc<Record>], fact: impl Fn(&'a Record) -> T) -> Vec<T> {
    records.iter().map(|record| fact(record)).collect()
}
