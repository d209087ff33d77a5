//! What a request presents, before anybody has verified it.

use std::fmt;

/// What a request presents as its session: a cookie, or a token. The bytes do not print.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented<'h> {
    Nothing,
    /// One value, however often it is there.
    One(&'h [u8]),
    /// Two different values, of which neither counts: one may be planted. (R35)
    Conflicting,
}

impl<'h> Presented<'h> {
    /// This, and one value more.
    pub(crate) fn and(self, value: &'h [u8]) -> Self {
        match self {
            Self::Nothing => Self::One(value),
            Self::One(first) if first == value => self,
            Self::One(_) | Self::Conflicting => Self::Conflicting,
        }
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::One(_) => "One(..)",
            Self::Conflicting => "Conflicting",
        })
    }
}
