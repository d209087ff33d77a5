//! What can go wrong: why a store cannot be opened, and why it does not answer.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::encoding::Unreadable;
use crate::store::contract::StoreError;

/// An SQLite store cannot be opened. The text names the file and says what to do; what SQLite said
/// is the [`source`](StdError::source).
#[derive(Debug, thiserror::Error)]
#[error("cannot open the session store {}: {advice}", path.display())]
pub struct OpenError {
    path: PathBuf,
    advice: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What stands in the way of opening a file.
pub(super) enum Obstacle {
    Sqlite(rusqlite::Error),
    /// The file cannot have a write-ahead log.
    NoLog,
    /// The tables have the format of a later version of this crate.
    Newer,
    /// The tables have a format that was never released.
    Older,
}

impl From<rusqlite::Error> for Obstacle {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl OpenError {
    pub(super) fn new(path: &Path, obstacle: Obstacle) -> Self {
        let (advice, source) = match obstacle {
            Obstacle::Sqlite(error) => (advice(path, &error), Some(error.into())),
            Obstacle::NoLog => {
                ("SQLite can keep no write-ahead log there; give it a file on a local disk", None)
            }
            Obstacle::Newer => (
                "a newer version of tower-curfew has written it; upgrade tower-curfew here as well",
                None,
            ),
            Obstacle::Older => (
                "its tables have the format of a version before the first release; give another \
                 file, or delete its tables `curfew_…`, which signs everybody out",
                None,
            ),
        };
        Self { path: path.to_owned(), advice, source }
    }

    /// The thread that opens and writes the file did not start, or stopped.
    pub(super) fn thread(path: &Path, source: impl StdError + Send + Sync + 'static) -> Self {
        let advice = "its thread did not start; let this process have more threads";
        Self { path: path.to_owned(), advice, source: Some(source.into()) }
    }
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

/// Why a call on an open store fails.
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    /// A change failed together with others that were to be committed with it.
    Shared(Arc<rusqlite::Error>),
    Unreadable(Unreadable),
    /// A session with this id exists already.
    Exists,
}

impl Failure {
    /// Whether another connection stands in the way for the moment.
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
        // SQLite has answered, but with nonsense.
        None => "the session store holds something that cannot be read; restore it from a backup",
    }
}

const EXISTS: &str = "the session store holds a record with this id already";
