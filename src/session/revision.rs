//! Revisions of records and of rules.

/// The revision of a record or of rules.
///
/// Two writers that start from the same revision detect each other, and of two revisions the higher
/// one is newer.
///
/// It is a counter whose lower half is random: if a failover loses a revision, no later one is
/// mistaken for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// The revision before the first: nothing exists.
    pub const NONE: Self = Self(0);

    /// Makes the revision with this number.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Returns its number, for stores. It is below 2⁶³.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns the next revision. `nonce` is random.
    #[must_use]
    pub const fn next(self, nonce: u32) -> Self {
        Self((((self.0 >> 32) + 1) << 32) | nonce as u64)
    }
}
