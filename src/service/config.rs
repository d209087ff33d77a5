//! How a layer is set up, which it shares with all its services.

use crate::curfew::Curfew;

#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) curfew: Curfew,
    pub(super) mode: Mode,
    /// Patterns of paths that always pass.
    pub(super) open: Vec<String>,
    /// Patterns of paths whose requests are no activity.
    pub(super) passive: Vec<String>,
    /// Patterns of paths for which the store is asked, whatever is cached.
    pub(super) uncached: Vec<String>,
}

/// Whom the layer turns away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    EndedNavigations,
    AllButLive,
    Nobody,
}
