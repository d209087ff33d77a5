//! Reading records and rules.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, Type, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, Rows, params_from_iter};
use time::Duration;

use super::super::{
    Client, EndReason, Ended, EndsBy, Facts, Kind, Membership, OrgRules, Page, Record, SecretHash,
    Selector, SessionId,
};
use super::failure::Failure;
use super::selection;
use crate::time::Timestamp;

pub(super) fn load(file: &Connection, id: SessionId) -> Result<Option<Facts>, Failure> {
    let mut statement = file.prepare_cached(LOAD)?;
    let found = gather(statement.query([id.as_bytes()])?)?;
    Ok(found.into_iter().next())
}

pub(super) fn list(file: &Connection, which: &Selector, page: Page) -> Result<Vec<Facts>, Failure> {
    let selection = selection::page(which, page);
    let sql = format!(
        "SELECT {COLUMNS} FROM ({}) AS s {RULES} ORDER BY s.created DESC, s.id DESC, m.org",
        selection.sql
    );
    let mut statement = file.prepare_cached(&sql)?;
    gather(statement.query(params_from_iter(selection.values))?)
}

pub(super) fn org_rules(file: &Connection, org: &str) -> Result<Option<OrgRules>, Failure> {
    let rules = file
        .prepare_cached("SELECT rules FROM curfew_orgs WHERE org = ?1")?
        .query_row([org], |row| row.get::<_, Parsed<OrgRules>>(0))
        .optional()?;
    Ok(rules.map(|Parsed(rules)| rules))
}

macro_rules! columns {
    () => {
        "s.id, s.secret_hash, s.user, s.kind, s.name, s.created, s.authenticated, s.seen, \
         s.ends_by, s.ends_by_org, s.idle, s.agent, s.device, s.address, s.location, \
         s.ended_at, s.ended_reason, s.ended_org, s.purge_after, \
         m.org, m.generation, m.version, m.joined, o.rules"
    };
}

macro_rules! rules {
    () => {
        "LEFT JOIN curfew_members AS m ON m.session = s.id \
         LEFT JOIN curfew_orgs AS o ON o.org = m.org"
    };
}

const COLUMNS: &str = columns!();
const RULES: &str = rules!();

/// One statement, so one consistent read.
pub(super) const LOAD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM curfew_sessions AS s ",
    rules!(),
    " WHERE s.id = ?1 ORDER BY m.org"
);

/// Puts the rows of each session together. It has one for each of its organisations, or a single
/// one; they follow each other.
fn gather(mut rows: Rows<'_>) -> Result<Vec<Facts>, Failure> {
    let mut found = Vec::new();
    let mut rules = HashMap::new();
    let mut current = None::<Record>;
    while let Some(row) = rows.next()? {
        let mut cells = Cells { row, at: 0 };
        let id = SessionId::from_bytes(cells.take()?);
        let record = match &mut current {
            Some(record) if record.id == id => {
                cells.at = MEMBERSHIP;
                record
            }
            _ => {
                let done = current.replace(record(id, &mut cells)?);
                found.extend(done.map(|record| facts(record, &rules)).transpose()?);
                current.as_mut().expect("it was just put there")
            }
        };
        if let Some(membership) = membership(&mut cells)? {
            if !rules.contains_key(&membership.org)
                && let Some(Parsed(parsed)) = cells.take()?
            {
                rules.insert(membership.org.clone(), Arc::new(parsed));
            }
            record.memberships.push(membership);
        }
    }
    found.extend(current.map(|record| facts(record, &rules)).transpose()?);
    Ok(found)
}

fn facts(record: Record, rules: &HashMap<Arc<str>, Arc<OrgRules>>) -> Result<Facts, Failure> {
    Ok(Facts::new(record, |org| rules.get(org).cloned())?)
}

/// The cells of a row, from left to right.
struct Cells<'a, 'b> {
    row: &'a Row<'b>,
    at: usize,
}

/// Where the columns of the membership begin.
const MEMBERSHIP: usize = 19;

fn record(id: SessionId, cells: &mut Cells<'_, '_>) -> rusqlite::Result<Record> {
    let record = Record {
        id,
        secret_hash: SecretHash::from_bytes(cells.take()?),
        user: cells.take()?,
        kind: cells.parsed::<Kind>()?,
        name: cells.take()?,
        memberships: Vec::new(),
        created: cells.time()?,
        authenticated: cells.time()?,
        seen: cells.time()?,
        ends_by: match (cells.take()?, cells.take()?) {
            (None, None) => None,
            (Some(at), org) => Some(EndsBy { at: Timestamp::from_unix_millis(at), org }),
            (None, Some::<Arc<str>>(_)) => return Err(cells.contradiction()),
        },
        idle: cells.take::<Option<_>>()?.map(Duration::milliseconds),
        client: Client {
            agent: cells.take()?,
            device: cells.take()?,
            address: cells.take::<Option<Parsed<IpAddr>>>()?.map(|Parsed(address)| address),
            location: cells.take()?,
        },
        ended: match (cells.take()?, cells.take()?, cells.take()?) {
            (None, None, None) => None,
            (Some(at), Some(Parsed::<EndReason>(reason)), org) => {
                Some(Ended { at: Timestamp::from_unix_millis(at), reason, org })
            }
            _ => return Err(cells.contradiction()),
        },
        purge_after: cells.time()?,
    };
    debug_assert_eq!(cells.at, MEMBERSHIP);
    Ok(record)
}

fn membership(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<Membership>> {
    let Some(org) = cells.take()? else {
        return Ok(None);
    };
    Ok(Some(Membership {
        org,
        generation: cells.take()?,
        version: cells.take()?,
        joined: cells.time()?,
    }))
}

impl Cells<'_, '_> {
    fn take<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.at += 1;
        self.row.get(self.at - 1)
    }

    fn time(&mut self) -> rusqlite::Result<Timestamp> {
        self.take().map(Timestamp::from_unix_millis)
    }

    fn parsed<T>(&mut self) -> rusqlite::Result<T>
    where
        Parsed<T>: FromSql,
    {
        self.take().map(|Parsed(value)| value)
    }

    /// The cells just read cannot be together on a record.
    fn contradiction(&self) -> rusqlite::Error {
        let cause = "one part of it is missing";
        rusqlite::Error::FromSqlConversionFailure(self.at - 1, Type::Null, cause.into())
    }
}

/// What is kept as text.
struct Parsed<T>(T);

impl<T> FromSql for Parsed<T>
where
    T: FromStr,
    T::Err: StdError + Send + Sync + 'static,
{
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parsed = value.as_str()?.parse();
        parsed.map(Self).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}
