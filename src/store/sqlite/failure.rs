//! What can go wrong between SQLite and a store's answer.

use std::sync::Arc;

use rusqlite::{Error, ErrorCode};

use super::super::{RulesMissing, StoreError};

pub(super) enum Failure {
    Sqlite(Error),
    /// A change failed together with others that were to be committed with it.
    Shared(Arc<Error>),
    RulesMissing(RulesMissing),
}

impl Failure {
    /// Whether another connection stands in the way for the moment.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if is_busy(error))
    }
}

pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
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
            Failure::Sqlite(error) => Self::new(message(&error), error),
            Failure::Shared(error) => Self::new(message(&error), error),
            Failure::RulesMissing(missing) => missing.into(),
        }
    }
}

fn message(error: &Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "the session store is locked by another process"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the session store is damaged; restore it from a backup"
        }
        Some(ErrorCode::DiskFull) => "the disk of the session store is full",
        Some(ErrorCode::ConstraintViolation) => {
            "the session store holds a record with this id already"
        }
        Some(_) => "the session store does not answer",
        // SQLite has answered, but with nonsense.
        None => "the session store holds something that cannot be read; restore it from a backup",
    }
}
