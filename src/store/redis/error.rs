//! What can go wrong: why a store cannot be had, and why it does not answer.

use std::error::Error as StdError;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::encoding::Unreadable;
use crate::store::contract::StoreError;

/// A Redis store cannot be had. The text says what to do; what the server said is the
/// [`source`](StdError::source).
#[derive(Debug, thiserror::Error)]
#[error("cannot use the redis server as a session store: {advice}")]
pub struct ConnectError {
    advice: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What stands in the way.
pub(super) enum Obstacle {
    Redis(RedisError),
    Prefix,
    Silent,
    Old,
    Cluster,
    Replica,
    Evicts,
    /// The keys have the format of a version before the first release.
    Older,
    /// The keys have the format of a later version.
    Newer,
}

impl From<RedisError> for Obstacle {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<Obstacle> for ConnectError {
    fn from(obstacle: Obstacle) -> Self {
        let advice = match obstacle {
            Obstacle::Redis(error) => {
                // Of an address that cannot be used it says a part, which may be the password.
                let tells = error.kind() == ErrorKind::InvalidClientConfig;
                let advice = advice(&error);
                return Self { advice, source: (!tells).then(|| error.into()) };
            }
            Obstacle::Prefix => {
                "the prefix must be 1 to 64 visible characters of ASCII, and no braces; give \
                 another one"
            }
            Obstacle::Silent => UNREACHABLE,
            Obstacle::Old => "it is too old; use Redis 6.2, Valkey 7.2, or a later one",
            Obstacle::Cluster => {
                "it is part of a cluster, which is not supported yet; use one primary, with \
                 replicas if you like"
            }
            Obstacle::Replica => "it is a replica; give the address of its primary",
            Obstacle::Evicts => {
                "it may throw sessions away to make room, and then a sign-out would miss some; set \
                 its maxmemory-policy to noeviction"
            }
            Obstacle::Older => {
                "the keys under its prefix have the format of a version before the first release; \
                 give another prefix, or delete them, which signs everybody out"
            }
            Obstacle::Newer => {
                "a newer version of tower-curfew has written the keys under its prefix; upgrade \
                 tower-curfew here as well"
            }
        };
        Self { advice, source: None }
    }
}

const UNREACHABLE: &str = "it cannot be reached; start it, or correct the address";

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
            "its user may not do enough; allow it info, eval, evalsha, script|load, time, and what \
             the scripts do to its keys"
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
