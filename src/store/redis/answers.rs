//! What the scripts answer.

use std::collections::HashMap;
use std::str;
use std::sync::Arc;

use redis::Value;

use super::super::{Facts, OrgRules, SessionId, Timestamp};
use super::encoding;
use super::failure::Failure;

/// A part of a list, and where the next begins.
pub(super) struct Part {
    pub(super) found: Vec<Facts>,
    /// The score and the id of the last one; `None` if no more follow.
    pub(super) last: Option<(String, Vec<u8>)>,
}

pub(super) fn loaded(id: SessionId, answer: Value, tell: bool) -> Result<Option<Facts>, Failure> {
    if answer == Value::Nil {
        return Ok(None);
    }
    let mut items = items(answer)?;
    let read_at = time(items.next(), items.next())?.filter(|_| tell);
    facts(id, items, &mut HashMap::new(), read_at).map(Some)
}

pub(super) fn listed(answer: Value, tell: bool) -> Result<Part, Failure> {
    let mut answer = items(answer)?;
    let read_at = time(answer.next(), answer.next())?.filter(|_| tell);
    let score = text(bytes(answer.next())?)?;
    let last = bytes(answer.next())?;
    let mut rules = HashMap::new();
    let mut found = Vec::new();
    for entry in answer {
        let mut entry = items(entry)?;
        let id = bytes(entry.next())?.try_into().map_err(|_| Failure::Nonsense)?;
        found.push(facts(SessionId::from_bytes(id), entry, &mut rules, read_at)?);
    }
    Ok(Part { found, last: (!score.is_empty()).then_some((score, last)) })
}

pub(super) fn rules(answer: Value) -> Result<Option<Arc<OrgRules>>, Failure> {
    match answer {
        Value::Nil => Ok(None),
        some => parsed(some).map(Some),
    }
}

/// Where to go on, and ids, each of which comes with its score.
pub(super) fn scanned(answer: Value) -> Result<(String, Vec<Vec<u8>>), Failure> {
    let mut parts = items(answer)?;
    let cursor = text(bytes(parts.next())?)?;
    let found = items(parts.next().ok_or(Failure::Nonsense)?)?;
    let ids = found.step_by(2).map(|id| bytes(Some(id))).collect::<Result<_, _>>()?;
    Ok((cursor, ids))
}

/// One of the words that scripts answer with.
pub(super) fn word(answer: Value) -> Result<String, Failure> {
    text(bytes(Some(answer))?)
}

pub(super) fn count(answer: &Value) -> Result<i64, Failure> {
    match answer {
        Value::Int(count) => Ok(*count),
        _ => Err(Failure::Nonsense),
    }
}

pub(super) fn items(answer: Value) -> Result<std::vec::IntoIter<Value>, Failure> {
    match answer {
        Value::Array(items) => Ok(items.into_iter()),
        _ => Err(Failure::Nonsense),
    }
}

/// A session and then the rules of each of its organisations. Those of the same read are shared.
fn facts(
    id: SessionId,
    mut items: impl Iterator<Item = Value>,
    known: &mut HashMap<Arc<str>, Arc<OrgRules>>,
    read_at: Option<Timestamp>,
) -> Result<Facts, Failure> {
    let record = encoding::record(id, &bytes(items.next())?)?;
    for membership in &record.memberships {
        match items.next() {
            None | Some(Value::Nil) => {}
            Some(text) => {
                if !known.contains_key(&membership.org) {
                    known.insert(membership.org.clone(), parsed(text)?);
                }
            }
        }
    }
    let facts = Facts::new(record, |org| known.get(org).cloned())?;
    Ok(match read_at {
        Some(at) => facts.read_at(at),
        None => facts,
    })
}

/// Seconds, and microseconds within the second.
fn time(seconds: Option<Value>, micros: Option<Value>) -> Result<Option<Timestamp>, Failure> {
    let number = |value| text(bytes(value)?)?.parse::<i64>().map_err(|_| Failure::Nonsense);
    let (seconds, micros) = (number(seconds)?, number(micros)?);
    Ok(seconds.checked_mul(1000).map(|ms| Timestamp::from_unix_millis(ms + micros / 1000)))
}

fn parsed(answer: Value) -> Result<Arc<OrgRules>, Failure> {
    let rules = text(bytes(Some(answer))?)?.parse().map_err(|_| Failure::Nonsense)?;
    Ok(Arc::new(rules))
}

fn bytes(answer: Option<Value>) -> Result<Vec<u8>, Failure> {
    match answer {
        Some(Value::BulkString(bytes)) => Ok(bytes),
        _ => Err(Failure::Nonsense),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::Nonsense)
}
