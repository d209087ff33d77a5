//! The configuration of a layer, shared with all its services.

use crate::curfew::Curfew;

#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) curfew: Curfew,
    pub(super) mode: Mode,
    /// Patterns of paths that are always admitted.
    pub(super) open: Vec<String>,
    /// Patterns of paths whose requests are not activity.
    pub(super) passive: Vec<String>,
    /// Patterns of paths that bypass the cache and always ask the store.
    pub(super) uncached: Vec<String>,
}

/// Which requests the layer rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    EndedNavigations,
    AllButLive,
    Nobody,
}
