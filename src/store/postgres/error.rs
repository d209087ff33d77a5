//! Errors of opening a store, and of its calls.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::{fmt, io};

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::encryption;
use crate::encoding::Unreadable;
use crate::store::error::StoreError;
use crate::store::open_error::OpenError;

/// The error of opening the store, with advice on how to fix it.
pub(super) fn refused(advice: impl Into<Cow<'static, str>>) -> OpenError {
    OpenError::new("cannot connect the session store to PostgreSQL", advice)
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        refused(advice(&error)).caused_by(ServerMessage::of(&error))
    }
}

pub(super) fn advice(error: &Error) -> &'static str {
    if let Some(advice) = encryption::advice(error) {
        return advice;
    }
    if let Some(code) = error.code() {
        return match code.code() {
            "08P01" if said(error).starts_with("unsupported startup parameter") => {
                "a pooler refuses the `options` of the connection string; leave them out, or let \
                 the pooler pass over them (`ignore_startup_parameters` of PgBouncer)"
            }
            "08P01" => {
                "a pooler refuses it; see the source of this error, and the log of the pooler"
            }
            "26000" | "42P05" => UNSPOKEN_OF_POOLER,
            "28P01" => "the server refuses the role's password; check both",
            "28000" if is_said_by(error, "InitializeSessionUserId") => {
                "there is no such role, or it may not connect; create it, or let it (ALTER ROLE … LOGIN)"
            }
            "28000" => {
                "the server lets this role not in from here; add a line for role, database and this \
                 machine to its pg_hba.conf, and reload it"
            }
            "42501" if is_said_by(error, "CheckMyDatabase") => {
                "the role may not connect to this database; grant it CONNECT"
            }
            "42703" => {
                "a table lacks a column, so it is not as `schema_sql` makes it; add the column, or drop \
                 the tables, which signs everybody out"
            }
            "3D000" => "there is no such database; create it, or name another",
            "42501" => {
                "the role lacks a right; let it create tables, or create them yourself (see \
                 `schema_sql`) and grant it SELECT, INSERT, UPDATE and DELETE on them"
            }
            "3F000" => "there is no such schema, or none in the search path; create or name one",
            "42P01" => {
                "some of its tables are missing; create them with what `schema_sql` says, or drop \
                 the others, which signs everybody out"
            }
            "53300" => {
                "the server has no connection left; let it (max_connections), the role or the database \
                 (CONNECTION LIMIT) have more, two more than this store, or this store fewer"
            }
            "57P03" => "the server is starting up or shutting down; try again",
            _ => "the server refuses it; see the source of this error",
        };
    }
    if error.source().is_some_and(|source| source.is::<io::Error>()) {
        "the server cannot be reached; check host and port, and that it is running"
    } else {
        "the server refuses it; see the source of this error"
    }
}

fn said(error: &Error) -> &str {
    error.as_db_error().map_or("", |error| error.message())
}

/// The server's texts are translated; the names of its functions are not.
fn is_said_by(error: &Error, function: &str) -> bool {
    error.as_db_error().and_then(|error| error.routine()) == Some(function)
}

pub(super) const UNSPOKEN_OF_POOLER: &str = "the connection string leads to a pooler, which gives \
     out server connections for a transaction at a time; say `through_pooler()`, or name the \
     server itself";

/// The reason why a call on an open store fails.
pub(super) enum Failure {
    Postgres(Error),
    /// The connection with this number broke, or leads to an old primary.
    Broken {
        error: Option<Error>,
        connection: u64,
    },
    /// No answer arrived, and the result is unknown.
    GivenUp,
    Unreadable(Unreadable),
    /// A session with this id exists already.
    Exists,
    /// The clocks of the caller and of the server differ by more than a minute.
    ClocksDiffer,
    Other(StoreError),
}

impl Failure {
    /// Whether concurrent changes prevented it, so that another try may succeed.
    pub(super) fn is_conflict(&self) -> bool {
        let again = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Postgres(error) if error.code().is_some_and(|code| again.contains(code)))
    }

    /// Whether another connection may give the answer.
    pub(super) fn is_of_a_broken_connection(error: &Error) -> bool {
        match error.code() {
            // A pooler sends the latter when its own connection broke, and closes this one.
            Some(code) => code.code().starts_with("57P0") || *code == SqlState::PROTOCOL_VIOLATION,
            None => true,
        }
    }

    /// Whether the server has forgotten the prepared statement, or it no longer fits the tables.
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
            Failure::Postgres(error) | Failure::Broken { error: Some(error), .. } => {
                Self::new(message(&error), ServerMessage::of(&error))
            }
            Failure::Broken { error: None, .. } => {
                Self::message("the session store has another primary now; try again")
            }
            Failure::GivenUp => Self::new(NO_ANSWER, ServerMessage::timeout()),
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
        return NO_ANSWER;
    };
    match code.code() {
        "25006" => "the session store takes no writes: it is a replica, or it is read-only",
        "42501" => "the role of the session store lacks the right to use its tables",
        "42P01" | "3F000" => "the tables of the session store are missing",
        "42703" => "a table of the session store lacks a column",
        "40001" | "40P01" | "55P03" => "the session store is held up by other changes",
        "26000" | "42P05" => {
            "the session store is behind a pooler that it was not told of; say `through_pooler()`"
        }
        "08P01" => "the pooler before the session store refuses it",
        "53100" => "the disk of the session store is full",
        "22021" => "a name for the session store holds a zero byte",
        _ => NO_ANSWER,
    }
}

const NO_ANSWER: &str = "the session store does not answer";

/// The message of the server or the driver, without the details, which quote the rows.
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

    pub(super) fn from_text(text: String) -> Self {
        Self(text)
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
