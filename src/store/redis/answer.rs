//! The answers of servers.

use redis::Value;

use super::error::Failure;
use crate::clock::Timestamp;
use crate::encoding::Unreadable;
use crate::session::{Revision, SessionId};

/// The result of loading one session.
pub(super) struct Found {
    pub(super) value: Option<Vec<u8>>,
    pub(super) rules: Revision,
    pub(super) clock: Option<Timestamp>,
}

/// The places of entries in a list.
pub(super) fn places(answer: Value) -> Result<Vec<(Timestamp, SessionId)>, Failure> {
    let mut items = items(Some(answer))?.into_iter();
    let mut places = Vec::with_capacity(items.len() / 2);
    while let Some(id) = items.next() {
        let id = bytes(Some(id))?.try_into().map_err(|_| Unreadable)?;
        let score = text(bytes(items.next())?)?.parse::<f64>().map_err(|_| Unreadable)?;
        places.push((Timestamp::from_unix_millis(score as i64), SessionId::from_bytes(id)));
    }
    Ok(places)
}

/// Seconds, and microseconds within the second.
pub(super) fn time(answer: Option<Value>) -> Result<Timestamp, Failure> {
    let mut parts = items(answer)?.into_iter();
    let mut number = || -> Result<i64, Failure> {
        Ok(text(bytes(parts.next())?)?.parse().map_err(|_| Unreadable)?)
    };
    Ok(Timestamp::from_unix_millis(number()?.saturating_mul(1000) + number()? / 1000))
}

/// One of the words that scripts answer with.
pub(super) fn word(answer: Value) -> Result<String, Failure> {
    text(bytes(Some(answer))?)
}

pub(super) fn items(answer: Option<Value>) -> Result<Vec<Value>, Failure> {
    match answer {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(Unreadable.into()),
    }
}

pub(super) fn maybe_bytes(answer: Value) -> Result<Option<Vec<u8>>, Failure> {
    match answer {
        Value::Nil => Ok(None),
        answer => bytes(Some(answer)).map(Some),
    }
}

pub(super) fn bytes(answer: Option<Value>) -> Result<Vec<u8>, Failure> {
    match answer {
        Some(Value::BulkString(bytes)) => Ok(bytes),
        Some(Value::SimpleString(text)) => Ok(text.into_bytes()),
        Some(Value::VerbatimString { text, .. }) => Ok(text.into_bytes()),
        _ => Err(Unreadable.into()),
    }
}

pub(super) fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    Ok(String::from_utf8(bytes).map_err(|_| Unreadable)?)
}

/// The revision of all rules, if there is one yet.
pub(super) fn revision(answer: Option<Value>) -> Result<Revision, Failure> {
    match answer {
        None | Some(Value::Nil) => Ok(Revision::NONE),
        answer => match bytes(answer)? {
            empty if empty.is_empty() => Ok(Revision::NONE),
            digits => place_of(&digits),
        },
    }
}

pub(super) fn place_of(digits: &[u8]) -> Result<Revision, Failure> {
    let digits = str::from_utf8(digits).map_err(|_| Unreadable)?;
    Ok(Revision::from_u64(u64::from_str_radix(digits, 16).map_err(|_| Unreadable)?))
}
