//! What can go wrong: why a store cannot be used, and why it does not answer.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::{fmt, io};

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::encoding::Unreadable;
use crate::store::contract::StoreError;
use crate::store::open_error::OpenError;

/// Why the store cannot be opened, and what to do about it.
pub(super) fn refused(advice: impl Into<Cow<'static, str>>) -> OpenError {
    OpenError::new("cannot connect the session store to PostgreSQL", advice)
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        refused(advice(&error)).caused_by(ServerMessage::of(&error))
    }
}

fn advice(error: &Error) -> &'static str {
    if let Some(code) = error.code() {
        return match code.code() {
            "28P01" | "28000" => {
                "the server refuses the role or its password; check both, and the server's \
                 pg_hba.conf"
            }
            "3D000" => "there is no such database; create it, or name another",
            "42501" => {
                "the role lacks a right; let it create tables, or create them yourself (see \
                 `schema_sql`) and grant it SELECT, INSERT, UPDATE and DELETE on them"
            }
            "3F000" => "there is no such schema, or none in the search path; create or name one",
            "25006" => READ_ONLY,
            "53300" => {
                "the server has no connection left; let it have more (max_connections), or this \
                 store fewer"
            }
            "57P03" => "the server is starting up or shutting down; try again",
            _ => "the server refuses it; see the source of this error",
        };
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        // So the driver says that it found a server, but no primary.
        Some(io) if io.to_string() == "database does not allow writes" => return READ_ONLY,
        Some(_) if !is_tls(error) => {
            return "the server cannot be reached; check host and port, and that it is running";
        }
        _ => {}
    }
    if !is_tls(error) {
        return "the server refuses it; see the source of this error";
    }
    if cfg!(feature = "postgres-tls") {
        "the connection cannot be encrypted; check that the server has `ssl = on` and that its \
         certificate is valid for the host, and name the authority that signed it (`tls_roots`)"
    } else {
        "the connection cannot be encrypted; enable the feature `postgres-tls`"
    }
}

/// The driver does not tell it otherwise.
fn is_tls(error: &Error) -> bool {
    error.to_string().starts_with("error performing TLS handshake")
}

pub(super) const READ_ONLY: &str =
    "it takes no writes: it is a replica, or the role or database is read-only; name the primary";

/// Why a call on an open store fails.
pub(super) enum Failure {
    Postgres(Error),
    Unreadable(Unreadable),
    /// A session with this id exists already.
    Exists,
    /// The clocks of the caller and of the server are more than a minute apart.
    ClocksDiffer,
    Other(StoreError),
}

impl Failure {
    /// Whether others stood in the way, so that it may succeed when tried again.
    pub(super) fn is_conflict(&self) -> bool {
        let again = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Postgres(error) if error.code().is_some_and(|code| again.contains(code)))
    }

    /// Whether the connection broke, so that another may give the answer.
    pub(super) fn is_broken_connection(&self) -> bool {
        let Self::Postgres(error) = self else {
            return false;
        };
        match error.code() {
            Some(code) => code.code().starts_with("57P0"),
            None => true,
        }
    }

    /// Whether the server has forgotten the prepared statement, or it fits the tables no more.
    pub(super) fn is_stale_statement(error: &Error) -> bool {
        let stale = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::FEATURE_NOT_SUPPORTED];
        error.code().is_some_and(|code| stale.contains(code))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Postgres(error) => Self::new(message(&error), ServerMessage::of(&error)),
            Failure::Unreadable(unreadable) => unreadable.into(),
            Failure::Exists => {
                Self::message("the session store holds a record with this id already")
            }
            Failure::ClocksDiffer => Self::message(
                "the clocks of this machine and of the session store differ by more than a \
                 minute; set them right",
            ),
            Failure::Other(error) => error,
        }
    }
}

fn message(error: &Error) -> &'static str {
    let Some(code) = error.code() else {
        return "the session store does not answer";
    };
    match code.code() {
        "25006" => "the session store takes no writes: it is a replica, or it is read-only",
        "42501" => "the role of the session store lacks the right to use its tables",
        "42P01" | "3F000" => "the tables of the session store are missing",
        "40001" | "40P01" | "55P03" => "the session store is held up by other changes",
        "53100" => "the disk of the session store is full",
        "22021" => "a name for the session store holds a zero byte",
        _ => "the session store does not answer",
    }
}

/// What the server or the driver said, without the details: those quote the rows.
#[derive(Debug)]
pub(super) struct ServerMessage(String);

impl ServerMessage {
    pub(super) fn of(error: &Error) -> Self {
        Self(match (error.as_db_error(), error.source()) {
            (Some(error), _) => format!("{} ({})", error.message(), error.code().code()),
            (None, Some(cause)) if !error.to_string().ends_with(&cause.to_string()) => {
                format!("{error}: {cause}")
            }
            (None, _) => error.to_string(),
        })
    }

    pub(super) fn timeout() -> Self {
        Self("the server did not answer in time".to_owned())
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for ServerMessage {}
