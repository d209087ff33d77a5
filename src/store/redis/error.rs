//! Errors of opening a store, and of its calls.

use std::borrow::Cow;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::encoding::Unreadable;
use crate::store::error::StoreError;
use crate::store::open_error::OpenError;
use crate::store::scan::IN_USE;

/// The error of opening the store, with advice on how to fix it.
pub(super) fn refused(advice: impl Into<Cow<'static, str>>) -> OpenError {
    OpenError::new("cannot use the redis server as a session store", advice)
}

impl From<RedisError> for OpenError {
    fn from(error: RedisError) -> Self {
        let refused = refused(advice(&error));
        // The error for an invalid address quotes a part of it, which may be the password.
        let tells = error.kind() == ErrorKind::InvalidClientConfig;
        if tells { refused } else { refused.caused_by(error) }
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Redis(error) => error.into(),
            Failure::NotServed => refused(SLOTS_MISSING),
            Failure::PrimaryLeft | Failure::Crowded => refused(UNREACHABLE),
            failure => refused("it does not answer as it should; see the source of this error")
                .caused_by(StoreError::from(failure)),
        }
    }
}

pub(super) const UNREACHABLE: &str = "it cannot be reached; start it, or correct the address: the host, \
     the port, and rediss:// only where the port is one for TLS";

pub(super) const NO_CLUSTER: &str =
    "it is no cluster; give an address that begins with redis:// (or rediss://)";

pub(super) const UNUSABLE: &str = "the address cannot be used; give one like \
     redis://user:password@host:6379/0, redis-cluster://host:7001,host:7002/ or \
     redis-sentinel://host:26379,host:26379/mymaster, or with rediss:// instead of redis:// for TLS";

pub(super) const SLOTS_MISSING: &str = "some slots of the cluster are served by no node, so some \
     sessions could not be kept; give each slot to a node (redis-cli --cluster fix), or bring the \
     node back";

fn advice(error: &RedisError) -> Cow<'static, str> {
    if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) {
        // The server names the command, if any.
        let detail = error.detail().unwrap_or_default();
        let command = detail.split('\'').nth(1).map(|command| format!("; it lacks `{command}`"));
        return format!("{TOO_FEW_RIGHTS}{}", command.unwrap_or_default()).into();
    }
    if is_about_tls(error) {
        return CERTIFICATE.into();
    }
    if error.detail().is_some_and(|detail| detail.contains("cluster support disabled")) {
        return NO_CLUSTER.into();
    }
    match (error.kind(), error.code()) {
        (ErrorKind::InvalidClientConfig, _) => UNUSABLE,
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
            "it refuses the user or the password; correct them in the address"
        }
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => {
            "it is still loading its data; try again later"
        }
        (ErrorKind::Server(ServerErrorKind::ClusterDown), _) => SLOTS_MISSING,
        (READ_ONLY, _) => "it is a replica; give the address of its primary",
        (ErrorKind::MasterNameNotFoundBySentinel, _) => {
            "the Sentinels know no primary of that name; correct the name behind the hosts in the \
             address"
        }
        (ErrorKind::Io, _) => UNREACHABLE,
        _ => "it refuses; see the source of this error",
    }
    .into()
}

/// The driver gives no other sign of it.
fn is_about_tls(error: &RedisError) -> bool {
    let said = error.to_string();
    ["certificate", "Certificate", "InvalidContentType", "corrupt message", "fatal alert"]
        .iter()
        .any(|word| said.contains(word))
}

const CERTIFICATE: &str = "the connection cannot be encrypted; check that the port is one for TLS and \
     that the server's certificate is valid for the host, name the authority that signed it \
     (`tls_roots`), and if the server asks for a certificate, give it one (`tls_client`)";

pub(super) const TOO_FEW_RIGHTS: &str = "its user may not do enough; allow it the keys that begin with \
     its prefix, and the commands that the documentation of `RedisStore` lists";

/// The error of a server that has become a replica.
pub(super) const READ_ONLY: ErrorKind = ErrorKind::Server(ServerErrorKind::ReadOnly);

/// The reason why a call on an open store fails.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Redis(RedisError),
    /// The answer was not written by a store, or cannot be read.
    Unreadable(Unreadable),
    /// The clocks of the caller and of the server differ by more than a minute.
    ClocksDiffer,
    /// A session with this id exists already.
    Exists,
    /// Too many calls wait for an answer.
    Crowded,
    /// The answer came from another primary than the present one.
    PrimaryLeft,
    /// No node of the cluster is responsible, or none names one.
    NotServed,
    /// The change is made, but too few replicas have it.
    Unacknowledged,
    /// A session to be imported exists in another state.
    InUse,
}

impl Failure {
    /// Whether another server may be responsible by now.
    pub(super) fn is_lost_server(&self) -> bool {
        match self {
            Self::Redis(error) => {
                error.is_connection_dropped()
                    || error.is_io_error()
                    || error.kind() == READ_ONLY
                    || error.is_unrecoverable_error()
            }
            Self::NotServed => true,
            _ => false,
        }
    }
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
            Failure::InUse => Self::message(IN_USE),
            Failure::PrimaryLeft => Self::message("the redis server is no primary any more"),
            Failure::NotServed => {
                Self::message("no node of the redis cluster serves this part of it")
            }
            Failure::Unacknowledged => Self::unacknowledged(
                "it is done on the redis server, and not yet on as many replicas as it should be; \
                 do it again",
            ),
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
