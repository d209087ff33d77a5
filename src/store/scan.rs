//! What a store answers that is read out.

use std::sync::Arc;

use crate::session::Record;

/// How far [`Store::scan`](super::Store::scan) has come. What the bytes mean only the store knows that has made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPlace(Vec<u8>);

impl ScanPlace {
    /// The place that a store writes as these bytes.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes that the store has written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What [`Store::scan`](super::Store::scan) has found. Exhaustive: stores make it.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The records of this page.
    pub records: Vec<Arc<Record>>,
    /// How many more of this page could not be read.
    pub unreadable: u32,
    /// Where the next page begins; `None` if this is the last one. A page may be empty and not the last.
    pub next: Option<ScanPlace>,
    /// About how many records there are, on the first page, if the store can tell.
    pub of_about: Option<u64>,
}

/// What a store says that has no `Store::scan` of its own.
pub(crate) const DOES_NOT_SCAN: &str =
    "this session store cannot be read out; implement `Store::scan` for it";

/// What `Store::import` says of a record that is there at another revision.
pub(super) const IN_USE: &str = "the session store holds another state of a session that is to be \
                                 copied into it: it is in use already; take an empty store";
