//! What can go wrong: why a store cannot be had, and why it does not answer.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::encoding::Unreadable;
use crate::store::contract::StoreError;
use crate::store::open_error::OpenError;

/// Why the store cannot be opened, and what to do about it.
pub(super) fn refused(advice: &'static str) -> OpenError {
    OpenError::new("cannot use the redis server as a session store", advice)
}

impl From<RedisError> for OpenError {
    fn from(error: RedisError) -> Self {
        let refused = refused(advice(&error));
        // Of an address that cannot be used it says a part, which may be the password.
        let tells = error.kind() == ErrorKind::InvalidClientConfig;
        if tells { refused } else { refused.caused_by(error) }
    }
}

pub(super) const UNREACHABLE: &str = "it cannot be reached; start it, or correct the address";

fn advice(error: &RedisError) -> &'static str {
    match (error.kind(), error.code()) {
        (ErrorKind::InvalidClientConfig, _) => {
            "the address cannot be used; give one like redis://user:password@host:6379/0, or \
             rediss:// with the feature redis-tls"
        }
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
            "it refuses the user or the password; correct them in the address"
        }
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => {
            "its user may not do enough; allow it what begins with its prefix, and +@read +@write \
             +@scripting +@connection +info +role +time"
        }
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => {
            "it is still loading its data; try again later"
        }
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
            "it is a replica; give the address of its primary"
        }
        (ErrorKind::Io, _) => UNREACHABLE,
        _ => "it refuses; see the source of this error",
    }
}

/// Why a call on an open store fails.
#[derive(Debug)]
pub(super) enum Failure {
    Redis(RedisError),
    /// What came back is not what a store has written, or cannot be read.
    Unreadable(Unreadable),
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

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Redis(error) => Self::new(message(&error), error),
            Failure::Unreadable(unreadable) => unreadable.into(),
            Failure::ClocksDiffer => Self::message(
                "the clocks of this machine and of the redis server are more than a minute apart",
            ),
            Failure::Exists => {
                Self::message("the session store holds a record with this id already")
            }
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
