//! Which of its states a record, or rules, are in.

/// Names one state of a record, or of rules: two writers who both start from the same one notice
/// each other, and of two the higher one is newer.
///
/// It counts up, and its lower half is drawn at random: if a failover loses a state, no later one is
/// taken for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// Before the first: nothing is there.
    pub const NONE: Self = Self(0);

    /// The revision with this number.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Its number, for stores to keep. It is below 2⁶³.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The next one. `nonce` is random.
    #[must_use]
    pub const fn next(self, nonce: u32) -> Self {
        Self((((self.0 >> 32) + 1) << 32) | nonce as u64)
    }
}
