//! A record as one string: segments, each after its length in four bytes.
//!
//! Those that scripts compare or replace are text, with numbers in decimal, so that no number ever
//! passes through one of Lua; the others are for this file alone.

use std::net::IpAddr;
use std::str::{self, FromStr};
use std::sync::Arc;

use time::Duration;

use super::super::{
    Client, Ended, EndsBy, Kind, Membership, Record, SecretHash, SessionId, Timestamp,
};
use super::failure::Failure;
use crate::time::millis;

/// The whole record but its id and the segment of its memberships, which comes first: a script
/// stamps and writes that one.
pub(super) fn tail(record: &Record) -> Vec<u8> {
    let mut tail = Vec::with_capacity(512);
    put(&mut tail, record.secret_hash.as_bytes());
    put(&mut tail, number(record.seen).as_bytes());
    put(&mut tail, number(record.purge_after).as_bytes());
    put(&mut tail, record.ended.as_ref().map(ended).unwrap_or_default().as_bytes());
    put(&mut tail, ends_by(record.ends_by.as_ref()).as_bytes());
    put(&mut tail, number(record.authenticated).as_bytes());
    put(&mut tail, &client(&record.client));
    put(&mut tail, record.user.as_bytes());
    put(&mut tail, number(record.created).as_bytes());
    let mut rest = Vec::new();
    put(&mut rest, record.kind.as_str().as_bytes());
    put_option(&mut rest, record.idle.map(|idle| millis(idle).to_string()).as_deref());
    put_option(&mut rest, record.name.as_deref());
    put(&mut tail, &rest);
    tail
}

pub(super) fn number(time: Timestamp) -> String {
    time.unix_millis().to_string()
}

pub(super) fn ended(ended: &Ended) -> String {
    let Ended { at, reason, org } = ended;
    with_org(format!("{} {reason}", number(*at)), org.as_deref())
}

pub(super) fn ends_by(ends_by: Option<&EndsBy>) -> String {
    ends_by.map_or_else(String::new, |EndsBy { at, org }| with_org(number(*at), org.as_deref()))
}

pub(super) fn client(client: &Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    let address = client.address.map(|address| address.to_string());
    put_option(&mut bytes, client.agent.as_deref());
    put_option(&mut bytes, client.device.as_deref());
    put_option(&mut bytes, address.as_deref());
    put_option(&mut bytes, client.location.as_deref());
    bytes
}

pub(super) fn memberships(memberships: &[Membership]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for membership in memberships {
        put(&mut bytes, membership.org.as_bytes());
        put(&mut bytes, stamp(membership).as_bytes());
    }
    bytes
}

pub(super) fn stamp(membership: &Membership) -> String {
    let Membership { generation, version, joined, .. } = membership;
    format!("{generation} {version} {}", number(*joined))
}

/// Reads a session.
pub(super) fn record(id: SessionId, value: &[u8]) -> Result<Record, Failure> {
    read(id, value).ok_or(Failure::Nonsense)
}

fn read(id: SessionId, value: &[u8]) -> Option<Record> {
    let mut value = Segments(value);
    let mut orgs = Segments(value.take()?);
    let mut memberships = Vec::new();
    while !orgs.is_empty() {
        memberships.push(read_membership(orgs.text()?, orgs.text()?)?);
    }
    let secret_hash = SecretHash::from_bytes(value.take()?.try_into().ok()?);
    let seen = value.time()?;
    let purge_after = value.time()?;
    let ended = match value.text()? {
        "" => None,
        text => Some(read_ended(text)?),
    };
    let ends_by = match value.text()? {
        "" => None,
        text => Some(read_ends_by(text)?),
    };
    let authenticated = value.time()?;
    let mut of_client = Segments(value.take()?);
    let client = Client {
        agent: of_client.option()?,
        device: of_client.option()?,
        address: of_client.option()?.map(|text| text.parse::<IpAddr>()).transpose().ok()?,
        location: of_client.option()?,
    };
    let user = value.text()?.into();
    let created = value.time()?;
    let mut rest = Segments(value.take()?);
    let kind = rest.text()?.parse::<Kind>().ok()?;
    let idle = rest.option()?.map(|text| text.parse()).transpose().ok()?;
    let name = rest.option()?;
    (value.is_empty() && rest.is_empty() && of_client.is_empty()).then(|| Record {
        id,
        secret_hash,
        user,
        kind,
        name,
        memberships,
        created,
        authenticated,
        seen,
        ends_by,
        idle: idle.map(Duration::milliseconds),
        client,
        ended,
        purge_after,
    })
}

fn read_membership(org: &str, stamp: &str) -> Option<Membership> {
    let mut words = stamp.split(' ');
    Some(Membership {
        org: org.into(),
        generation: words.next()?.parse().ok()?,
        version: words.next()?.parse().ok()?,
        joined: time(words.next()?)?,
    })
}

fn read_ended(text: &str) -> Option<Ended> {
    let mut words = text.splitn(3, ' ');
    Some(Ended {
        at: time(words.next()?)?,
        reason: words.next()?.parse().ok()?,
        org: words.next().map(Arc::from),
    })
}

fn read_ends_by(text: &str) -> Option<EndsBy> {
    let mut words = text.splitn(2, ' ');
    Some(EndsBy { at: time(words.next()?)?, org: words.next().map(Arc::from) })
}

fn time(text: &str) -> Option<Timestamp> {
    i64::from_str(text).ok().map(Timestamp::from_unix_millis)
}

fn with_org(text: String, org: Option<&str>) -> String {
    match org {
        Some(org) => text + " " + org,
        None => text,
    }
}

fn put(bytes: &mut Vec<u8>, segment: &[u8]) {
    let length = u32::try_from(segment.len()).expect("labels are short, and organisations few");
    bytes.extend(length.to_be_bytes());
    bytes.extend(segment);
}

fn put_option(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put(bytes, text.as_bytes()),
        None => bytes.extend(NONE),
    }
}

/// In place of a length.
const NONE: [u8; 4] = [0xff; 4];

/// Segments that are still to be read.
struct Segments<'a>(&'a [u8]);

impl<'a> Segments<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (segment, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.0 = rest;
        Some(segment)
    }

    fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.take()?).ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.text().and_then(time)
    }

    fn option(&mut self) -> Option<Option<Arc<str>>> {
        if let Some(rest) = self.0.strip_prefix(&NONE) {
            self.0 = rest;
            return Some(None);
        }
        self.text().map(|text| Some(text.into()))
    }
}
