//! The slots of a cluster, and the nodes responsible for them.

use redis::{RedisResult, Value};

use super::address::Node;
use super::error::Failure;
use crate::encoding::Unreadable;

/// The slot of a key: only the text in its first braces counts, if there is any.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inner = &key[open + 1..];
        let end = inner.iter().position(|byte| *byte == b'}')?;
        (end != 0).then(|| &inner[..end])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

pub(super) const SLOTS: u16 = 16384;

/// CRC-16/XMODEM, as in the specification of Redis Cluster.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let at = usize::from((crc >> 8) as u8 ^ byte);
        crc << 8 ^ TABLE[at]
    })
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = (at as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

/// A range of slots, and the nodes that have them, the primary first.
#[derive(PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) nodes: Vec<Node>,
}

/// Parses the answer to `CLUSTER SLOTS` of the node at this host.
pub(super) fn ranges(answer: Value, asked: &str) -> Result<Vec<Range>, Failure> {
    let Value::Array(entries) = answer.extract_error()? else {
        return Err(Unreadable.into());
    };
    entries.into_iter().map(|entry| range(entry, asked)).collect()
}

fn range(entry: Value, asked: &str) -> Result<Range, Failure> {
    let Value::Array(entry) = entry else {
        return Err(Unreadable.into());
    };
    let mut parts = entry.into_iter();
    let (first, last) = (number(parts.next())?, number(parts.next())?);
    let nodes = parts.map(|part| node(part, asked)).collect::<Result<Vec<_>, _>>()?;
    if nodes.is_empty() || last < first || SLOTS <= last {
        return Err(Unreadable.into());
    }
    Ok(Range { first, last, nodes })
}

fn node(part: Value, asked: &str) -> Result<Node, Failure> {
    let Value::Array(part) = part else {
        return Err(Unreadable.into());
    };
    let mut part = part.into_iter();
    let host: RedisResult<Option<String>> = match part.next() {
        Some(host) => redis::from_redis_value(host).map_err(Into::into),
        None => return Err(Unreadable.into()),
    };
    // A node that does not know its own name has the one by which it was asked.
    let host = host?.filter(|host| !host.is_empty() && host != "?");
    Ok((host.unwrap_or_else(|| asked.to_owned()), number(part.next())?))
}

fn number(value: Option<Value>) -> Result<u16, Failure> {
    match value {
        Some(Value::Int(number)) => Ok(u16::try_from(number).map_err(|_| Unreadable)?),
        _ => Err(Unreadable.into()),
    }
}

/// The node that a redirection names; without a host, it is that of the asked node.
pub(super) fn redirected(to: &str, asked: &str) -> Option<Node> {
    let (host, port) = to.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { asked } else { host };
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is the check value of the algorithm, the others are from a server.
    #[test]
    fn slots_are_those_of_the_servers() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12182);
        assert_eq!(slot_of(b"curfew:{foo}:head"), 12182);
        assert_eq!(slot_of(b"{}foo"), crc16(b"{}foo") % SLOTS);
        assert_eq!(slot_of(b"{foo"), crc16(b"{foo") % SLOTS);
        assert_eq!(slot_of(b""), 0);
    }

    #[test]
    fn a_redirection_names_a_node() {
        assert_eq!(redirected("10.0.0.7:6381", "a"), Some(("10.0.0.7".to_owned(), 6381)));
        assert_eq!(redirected(":6381", "a"), Some(("a".to_owned(), 6381)));
        assert_eq!(redirected("[::1]:6381", "a"), Some(("::1".to_owned(), 6381)));
        assert_eq!(redirected("nonsense", "a"), None);
    }

    #[test]
    fn a_node_without_a_name_is_at_the_host_that_was_asked() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host: Value| Value::Array(vec![host, Value::Int(7001), text("id")]);
        for (host, found) in [(Value::Nil, "asked"), (text(""), "asked"), (text("b"), "b")] {
            let entry = Value::Array(vec![Value::Int(0), Value::Int(16383), node(host)]);
            let ranges = ranges(Value::Array(vec![entry]), "asked").ok().unwrap();
            assert_eq!(ranges[0].nodes, [(found.to_owned(), 7001)]);
        }
    }

    #[test]
    fn nonsense_is_no_map() {
        let backwards = vec![Value::Int(2), Value::Int(1), Value::Array(vec![])];
        for answer in [
            Value::Nil,
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(backwards)]),
        ] {
            assert!(ranges(answer, "asked").is_err());
        }
    }
}
