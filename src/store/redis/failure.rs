//! What can go wrong between the server and a store's answer.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::super::{RulesMissing, StoreError};

#[derive(Debug)]
pub(super) enum Failure {
    Redis(RedisError),
    RulesMissing(RulesMissing),
    /// What came back is not what a store has written.
    Nonsense,
    /// The clocks of the caller and of the server are more than a minute apart.
    ClocksDiffer,
    /// A session with this id exists already.
    Exists,
    /// Too many calls wait for an answer.
    Crowded,
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<RulesMissing> for Failure {
    fn from(missing: RulesMissing) -> Self {
        Self::RulesMissing(missing)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Redis(error) => Self::new(message(&error), error),
            Failure::RulesMissing(missing) => missing.into(),
            Failure::Nonsense => Self::message(
                "the session store holds something that cannot be read; give it a prefix or a \
                 server of its own, or restore it from a backup",
            ),
            Failure::ClocksDiffer => Self::message(
                "the clocks of this machine and of the redis server are more than a minute apart",
            ),
            Failure::Exists => Self::message("a session with this id exists already"),
            Failure::Crowded => {
                Self::message("too many calls wait for an answer of the redis server")
            }
        }
    }
}

fn message(error: &RedisError) -> &'static str {
    match (error.kind(), error.code()) {
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
            "the redis server has become a replica; the next call connects anew"
        }
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => {
            "the redis server is still loading its data"
        }
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => {
            "the redis user may not do what the session store needs; allow it scripts and its keys"
        }
        (_, Some("OOM")) => "the memory of the redis server is used up; raise its maxmemory",
        (_, Some("BUSY")) => "the redis server is busy with a script",
        (_, Some("MISCONF")) => "the redis server cannot write to its disk, and takes no changes",
        (_, Some("NOREPLICAS")) => "the redis server misses replicas, and takes no changes",
        _ => "the redis server does not answer",
    }
}
