//! What can go wrong between PostgreSQL and a store's answer.

use std::error::Error as StdError;
use std::fmt;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::super::{RulesMissing, StoreError};

pub(super) enum Failure {
    Postgres(Error),
    /// A row holds what no store has written.
    Damaged(Box<dyn StdError + Send + Sync>),
    RulesMissing(RulesMissing),
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

impl From<RulesMissing> for Failure {
    fn from(missing: RulesMissing) -> Self {
        Self::RulesMissing(missing)
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
            Failure::Postgres(error) => Self::new(message(&error), Said::of(&error)),
            Failure::Damaged(cause) => Self::new(
                "the session store holds something that cannot be read; restore it from a backup",
                cause,
            ),
            Failure::RulesMissing(missing) => missing.into(),
            Failure::Other(error) => error,
        }
    }
}

fn message(error: &Error) -> &'static str {
    let Some(code) = error.code() else {
        return "the session store does not answer";
    };
    match code.code() {
        "23505" => "the session store holds a record with this id already",
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
pub(super) struct Said(String);

impl Said {
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

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Said {}
