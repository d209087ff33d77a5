//! The pages of a scan.

use std::sync::Arc;

use crate::session::Record;

/// The place that [`Store::scan`](super::Store::scan) has reached. Only the store that made it can
/// interpret its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPlace(Vec<u8>);

impl ScanPlace {
    /// Makes a place from the bytes that a store has chosen.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes that the store has chosen.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The result of [`Store::scan`](super::Store::scan). Exhaustive: stores construct it.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The records of this page.
    pub records: Vec<Arc<Record>>,
    /// The number of records of this page that could not be read.
    pub unreadable: u32,
    /// The place where the next page begins; `None` if this is the last one. A page may be empty
    /// without being the last.
    pub next: Option<ScanPlace>,
    /// The approximate number of all records, on the first page; `None` if the store does not know
    /// it.
    pub of_about: Option<u64>,
}

/// The error of a store without its own `Store::scan`.
pub(crate) const DOES_NOT_SCAN: &str =
    "this session store cannot be read out; implement `Store::scan` for it";

/// The error of `Store::import` for a record that exists at another revision.
pub(super) const IN_USE: &str = "the session store holds another state of a session that is to be \
                                 copied into it: it is in use already; take an empty store";
