//! Why a Redis store cannot be had, and what to do.

use std::error::Error as StdError;

use redis::{ErrorKind, RedisError, ServerErrorKind};

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
