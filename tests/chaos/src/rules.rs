//! What holds for all sessions of a run: what the nodes enforce, and what the log is judged by.

use time::Duration;
use tower_curfew::{AtCap, Limits};
use tower_curfew_checker::{self as checker, Header};

/// So short that limits strike while a run lasts.
pub(crate) const ABSOLUTE: Duration = Duration::seconds(20);
pub(crate) const IDLE: Duration = Duration::seconds(6);

/// So few that people reach it.
pub(crate) const SESSIONS_PER_USER: u32 = 4;

/// The shortest limit that a policy may set, and the longest.
pub(crate) const POLICY_BOUNDS: (Duration, Duration) = (Duration::SECOND, Duration::HOUR);

/// The shortest that a node may have: how long before a new idle limit people count as active.
pub(crate) const REFRESH: Duration = Duration::SECOND;

/// By so much at most the clock of a node is ahead or behind.
pub(crate) const CLOCK_STEP: Duration = Duration::seconds(2);

/// Further than a store with a clock of its own lets a node be off.
pub(crate) const FAR_OFF: Duration = Duration::seconds(90);

pub(crate) fn limits() -> Limits {
    Limits::absolute(ABSOLUTE).and_idle(IDLE)
}

pub(crate) fn cap() -> (u32, AtCap) {
    (SESSIONS_PER_USER, AtCap::EndOldest)
}

/// The same, for the checker.
pub(crate) fn header() -> Header {
    Header {
        limits: checker::Limits { absolute: Some(micros(ABSOLUTE)), idle: Some(micros(IDLE)) },
        cap: Some(checker::Cap {
            sessions: SESSIONS_PER_USER as usize,
            at_cap: checker::AtCap::EndOldest,
        }),
        // Activity that cannot be recorded keeps nobody out.
        touch_every: None,
        // One may be ahead while a session begins, and another one behind when it is judged.
        clock_tolerance: micros(CLOCK_STEP * 2),
        kept_for: None,
    }
}

pub(crate) fn micros(length: Duration) -> i64 {
    i64::try_from(length.whole_microseconds()).unwrap_or(i64::MAX)
}
