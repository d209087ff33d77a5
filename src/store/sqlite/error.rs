//! Errors of opening a store, and of its calls.

use std::path::Path;
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::encoding::Unreadable;
use crate::store::error::StoreError;
use crate::store::open_error::OpenError;
use crate::store::scan::IN_USE;

/// An obstacle to opening a file.
pub(super) enum Obstacle {
    Sqlite(rusqlite::Error),
    /// Advice on how to fix it.
    Advice(&'static str),
}

impl From<rusqlite::Error> for Obstacle {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Obstacle {
    pub(super) fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Sqlite(error) => refused(path, advice(path, &error)).caused_by(error),
            Self::Advice(advice) => refused(path, advice),
        }
    }
}

/// The error of opening the file, with advice on how to fix it.
pub(super) fn refused(path: &Path, advice: &'static str) -> OpenError {
    OpenError::new(format!("cannot open the session store {}", path.display()), advice)
}

fn advice(path: &Path, error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "it is no SQLite database, or a damaged one; give another path, or restore it from a \
             backup"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process keeps it locked; end that process or its transaction"
        }
        Some(ErrorCode::ReadOnly) => {
            "it can be read but not written; let this process write the file and its folder"
        }
        Some(ErrorCode::DiskFull) => "the disk is full; free some space",
        Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
            "its disk does not read or write it; check the disk, and give a file on a local one"
        }
        Some(ErrorCode::CannotOpen) if path.is_dir() => "it is a folder; give the path of a file",
        Some(ErrorCode::CannotOpen) if !folder(path).exists() => {
            "its folder does not exist; create that first"
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "it cannot be opened or created; let this process write the file and its folder"
        }
        _ => "SQLite refuses it; see the source of this error",
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The reason why a call on an open store fails.
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    /// A change failed together with the others of its commit.
    Shared(Arc<rusqlite::Error>),
    Unreadable(Unreadable),
    /// A session with this id exists already.
    Exists,
    /// A session to be imported exists in another state.
    InUse,
}

impl Failure {
    /// Whether another connection currently holds the lock.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if is_busy(error))
    }
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
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
            Failure::Sqlite(error) => Self::new(message(&error), error),
            Failure::Shared(error) => Self::new(message(&error), error),
            Failure::Unreadable(unreadable) => unreadable.into(),
            Failure::Exists => Self::message(EXISTS),
            Failure::InUse => Self::message(IN_USE),
        }
    }
}

fn message(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "the session store is locked by another process"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the session store is damaged; restore it from a backup"
        }
        Some(ErrorCode::DiskFull) => "the disk of the session store is full",
        Some(_) => "the session store does not answer",
        // SQLite has answered, but the data is invalid.
        None => "the session store holds something that cannot be read; restore it from a backup",
    }
}

const EXISTS: &str = "the session store holds a record with this id already";
