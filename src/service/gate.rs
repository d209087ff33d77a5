//! The decision whether a request is admitted.

use super::config::Mode;
use crate::request::RequestKind;
use crate::session::Presence;

/// The decision on a request whose session was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Passes,
    /// The request is admitted, and the cookie of its ended session is cleared in the response.
    PassesAndClears,
    TurnedAway,
}

/// Decides by the result of the check. `is_open` says whether the path is always admitted. The kind
/// of the request is computed only if it matters.
pub(super) fn decide(
    mode: Mode,
    presence: &Presence,
    is_open: bool,
    kind: impl FnOnce() -> RequestKind,
) -> Decision {
    match presence {
        Presence::Live(_) => Decision::Passes,
        Presence::Anonymous if mode == Mode::AllButLive && !is_open => Decision::TurnedAway,
        Presence::Anonymous => Decision::Passes,
        Presence::Ended(_) => match (kind() == RequestKind::Navigation, is_open) {
            (true, true) => Decision::PassesAndClears,
            (false, true) => Decision::Passes,
            (true, false) if mode == Mode::EndedNavigations => Decision::TurnedAway,
            (_, false) if mode == Mode::AllButLive => Decision::TurnedAway,
            (_, false) => Decision::Passes,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::session::Ended;

    #[test]
    fn the_three_modes_differ_in_whom_they_turn_away() {
        use Decision::{Passes, PassesAndClears, TurnedAway};
        use Mode::{AllButLive, EndedNavigations, Nobody};
        use RequestKind::{Background, Bearer, Htmx, Navigation};

        let ended = Presence::Ended(Ended::revoked(Timestamp::NEVER));
        for (mode, anonymous, navigation, other) in [
            (EndedNavigations, Passes, TurnedAway, Passes),
            (AllButLive, TurnedAway, TurnedAway, TurnedAway),
            (Nobody, Passes, Passes, Passes),
        ] {
            for kind in [Navigation, Htmx, Bearer, Background] {
                let decided = |presence: &Presence, open| decide(mode, presence, open, || kind);
                let is_navigation = kind == Navigation;
                assert_eq!(decided(&Presence::Anonymous, false), anonymous, "{mode:?}, {kind:?}");
                assert_eq!(decided(&Presence::Anonymous, true), Passes, "{mode:?}, {kind:?}");
                let closed = if is_navigation { navigation } else { other };
                assert_eq!(decided(&ended, false), closed, "{mode:?}, {kind:?}");
                let open = if is_navigation { PassesAndClears } else { Passes };
                assert_eq!(decided(&ended, true), open, "{mode:?}, {kind:?}");
            }
        }
    }
}
