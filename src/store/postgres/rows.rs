//! Reading records and rules.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::super::{
    Client, EndReason, Ended, EndsBy, Facts, Kind, Membership, OrgRules, Page, Record, SecretHash,
    Selector, SessionId, Timestamp,
};
use super::failure::Failure;
use super::values::{Hidden, ServerTime};
use super::{Shared, selection};

pub(super) async fn load(store: &Shared, id: SessionId) -> Result<Option<Facts>, Failure> {
    let found = store.readers.read(&store.sql.load, &[&Hidden(&id.as_bytes()[..])]).await?;
    found.first().map(|row| facts(store, row)).transpose()
}

pub(super) async fn list(
    store: &Shared,
    which: &Selector,
    page: Page,
) -> Result<Vec<Facts>, Failure> {
    let selection = selection::page(&store.sql.names, which, page);
    let found = store.readers.read(&selection.sql, &selection.params()).await?;
    found.iter().map(|row| facts(store, row)).collect()
}

pub(super) async fn org_rules(store: &Shared, org: &str) -> Result<Option<OrgRules>, Failure> {
    let orgs = Hidden([org].to_vec());
    let found = store.readers.read(&store.sql.rules, &[&orgs]).await?;
    found.first().map(|row| rules(row).map(|(_, rules)| rules)).transpose()
}

/// The name of an organisation, and its rules.
pub(super) fn rules(row: &Row) -> Result<(Arc<str>, OrgRules), Failure> {
    let mut cells = Cells { row, at: 0 };
    Ok((cells.text()?, cells.parsed()?))
}

fn facts(store: &Shared, row: &Row) -> Result<Facts, Failure> {
    let record = record(row)?;
    let mut cells = Cells { row, at: RECORD };
    let mut rules = HashMap::new();
    let texts: Option<Vec<Option<&str>>> = cells.take()?;
    for (membership, text) in record.memberships.iter().zip(texts.unwrap_or_default()) {
        if let Some(text) = text {
            let parsed: OrgRules = text.parse().map_err(damaged)?;
            rules.insert(membership.org.clone(), Arc::new(parsed));
        }
    }
    let facts = Facts::new(record, |org| rules.get(org).cloned())?;
    let ServerTime(now) = cells.take()?;
    Ok(if store.checks_clock { facts.read_at(now) } else { facts })
}

/// Where the columns of the record end.
const RECORD: usize = 23;

pub(super) fn record(row: &Row) -> Result<Record, Failure> {
    let mut cells = Cells { row, at: 0 };
    let record = Record {
        id: SessionId::from_bytes(cells.bytes()?),
        secret_hash: SecretHash::from_bytes(cells.bytes()?),
        user: cells.text()?,
        kind: cells.parsed::<Kind>()?,
        name: cells.label()?,
        created: cells.time()?,
        authenticated: cells.time()?,
        seen: cells.time()?,
        ends_by: match (cells.take()?, cells.label()?) {
            (None, None) => None,
            (Some(at), org) => Some(EndsBy { at: Timestamp::from_unix_millis(at), org }),
            (None, Some(_)) => return Err(contradiction()),
        },
        idle: cells.take::<Option<_>>()?.map(Duration::milliseconds),
        client: Client {
            agent: cells.label()?,
            device: cells.label()?,
            address: cells.maybe_parsed::<IpAddr>()?,
            location: cells.label()?,
        },
        ended: match (cells.take()?, cells.maybe_parsed::<EndReason>()?, cells.label()?) {
            (None, None, None) => None,
            (Some(at), Some(reason), org) => {
                Some(Ended { at: Timestamp::from_unix_millis(at), reason, org })
            }
            _ => return Err(contradiction()),
        },
        purge_after: cells.time()?,
        memberships: cells.memberships()?,
    };
    debug_assert_eq!(cells.at, RECORD);
    Ok(record)
}

/// The cells of a row, from left to right.
struct Cells<'a> {
    row: &'a Row,
    at: usize,
}

impl<'a> Cells<'a> {
    fn take<T: FromSql<'a>>(&mut self) -> Result<T, Failure> {
        self.at += 1;
        self.row.try_get(self.at - 1).map_err(damaged)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        self.take::<&[u8]>()?.try_into().map_err(damaged)
    }

    fn text(&mut self) -> Result<Arc<str>, Failure> {
        self.take::<&str>().map(Arc::from)
    }

    fn label(&mut self) -> Result<Option<Arc<str>>, Failure> {
        Ok(self.take::<Option<&str>>()?.map(Arc::from))
    }

    fn time(&mut self) -> Result<Timestamp, Failure> {
        self.take().map(Timestamp::from_unix_millis)
    }

    fn parsed<T>(&mut self) -> Result<T, Failure>
    where
        T: FromStr<Err: StdError + Send + Sync + 'static>,
    {
        self.take::<&str>()?.parse().map_err(damaged)
    }

    fn maybe_parsed<T>(&mut self) -> Result<Option<T>, Failure>
    where
        T: FromStr<Err: StdError + Send + Sync + 'static>,
    {
        self.take::<Option<&str>>()?.map(|text| text.parse().map_err(damaged)).transpose()
    }

    fn memberships(&mut self) -> Result<Vec<Membership>, Failure> {
        let orgs: Vec<&str> = self.take()?;
        let generations: Vec<i64> = self.take()?;
        let versions: Vec<i64> = self.take()?;
        let joined: Vec<i64> = self.take()?;
        if [generations.len(), versions.len(), joined.len()] != [orgs.len(); 3] {
            return Err(contradiction());
        }
        let stamps = generations.into_iter().zip(versions).zip(joined);
        orgs.into_iter()
            .zip(stamps)
            .map(|(org, ((generation, version), joined))| {
                Ok(Membership {
                    org: org.into(),
                    generation,
                    version: version.try_into().map_err(damaged)?,
                    joined: Timestamp::from_unix_millis(joined),
                })
            })
            .collect()
    }
}

fn damaged(cause: impl StdError + Send + Sync + 'static) -> Failure {
    Failure::Damaged(cause.into())
}

/// The cells just read cannot be together on a record.
fn contradiction() -> Failure {
    Failure::Damaged("one part of it is missing".into())
}
