//! The reasons why a connection cannot be opened.

use std::borrow::Cow;

use tokio_postgres::Error;

use super::error::{Failure, ServerMessage, advice, refused};
use crate::store::open_error::OpenError;

#[derive(Debug)]
pub(super) enum OpenFailure {
    Postgres(Error),
    /// All reachable servers are replicas or read-only.
    ReadOnly,
    /// Its timeline is older than one that this node has seen.
    OldPrimary,
    /// It is not a copy of the server that this node has seen.
    OtherSystem,
    /// The server's process of the previous connection still exists.
    PredecessorStays,
    /// Fewer replicas than required have its acknowledged changes.
    TooFewReplicas,
    /// The role may not ask which server it is.
    MayNotAsk(Error),
    /// This version cannot read the server's answers about itself.
    Unreadable,
    Silent,
}

impl From<Error> for OpenFailure {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

impl OpenFailure {
    /// Advice on how to fix it.
    pub(super) fn advice(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Postgres(error) => advice(error),
            Self::ReadOnly => READ_ONLY,
            Self::OldPrimary => {
                "it is an old primary: this node has seen a later timeline since; make it a replica \
                 of the new one. If you have restored it on purpose, restart this program"
            }
            Self::OtherSystem => {
                "it is another database system than the one before, or two hosts of the connection \
                 string are no copies of each other (their system identifiers differ); name hosts \
                 of one system. If you have replaced it on purpose, restart this program"
            }
            Self::PredecessorStays => {
                "the server's process for the connection before does not end, so no other is \
                 opened; see what it waits for in pg_stat_activity"
            }
            Self::TooFewReplicas => {
                "what it acknowledges is on fewer replicas than `acknowledged_by` asks for; let \
                 synchronous_commit be `on` or `remote_apply` for this role and database, and \
                 synchronous_standby_names demand as many, such as `ANY 1 (a, b)`"
            }
            Self::MayNotAsk(_) => {
                "the role may not ask which server it is; grant it EXECUTE on the functions \
                 pg_control_system, pg_current_wal_lsn and pg_walfile_name"
            }
            Self::Unreadable => {
                "it does not say which server it is; check that it is PostgreSQL 12 or later"
            }
            Self::Silent => {
                "the server does not answer in time; check host and port, and that it is well"
            }
        })
    }

    /// Whether the server is absent, or about to stop or start.
    pub(super) fn is_of_a_broken_connection(&self) -> bool {
        matches!(self, Self::Postgres(error) if Failure::is_of_a_broken_connection(error))
    }

    pub(super) fn said(&self) -> ServerMessage {
        match self {
            Self::Postgres(error) | Self::MayNotAsk(error) => ServerMessage::of(error),
            Self::Silent => ServerMessage::timeout(),
            _ => ServerMessage::from_text(self.advice().into_owned()),
        }
    }
}

impl From<OpenFailure> for OpenError {
    fn from(failure: OpenFailure) -> Self {
        match failure {
            OpenFailure::Postgres(error) => error.into(),
            OpenFailure::MayNotAsk(_) => refused(failure.advice()).caused_by(failure.said()),
            failure => refused(failure.advice()),
        }
    }
}

const READ_ONLY: &str =
    "it takes no writes: it is a replica, or the role or database is read-only; name the primary";
