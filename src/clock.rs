//! Points in time, and the clocks that give them.
//!
//! This is the only file that reads the clock; all other code takes `now` as an argument.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
use std::time::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Arithmetic saturates: a time that cannot be represented becomes [`Timestamp::NEVER`], rather
/// than a panic or a time in the past.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Later than every other point in time: the end of a session without limits.
    pub const NEVER: Self = Self(i64::MAX);

    /// Makes the point in time `millis` milliseconds after the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Returns the date and time of day in UTC; `None` for [`Timestamp::NEVER`] and after year
    /// 9999.
    pub fn to_utc(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).ok()
    }

    /// Returns the time that has passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::milliseconds(self.0.saturating_sub(earlier.0).max(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        if self == Self::NEVER {
            return self;
        }
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        if self == Self::NEVER {
            return self;
        }
        Self(self.0.saturating_sub(millis(duration)))
    }
}

/// Whole milliseconds; fractions are cut off.
pub(crate) fn millis(duration: Duration) -> i64 {
    // Faster than `whole_milliseconds`, which computes in 128 bits: most checks of a session call
    // this.
    let millis = i64::from(duration.subsec_milliseconds());
    duration.whole_seconds().saturating_mul(1000).saturating_add(millis)
}

/// Formats as RFC 3339 in UTC, such as `2026-03-01T12:00:00.5Z`; `never` for [`Timestamp::NEVER`].
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("never");
        }
        match self.to_utc().and_then(|date| date.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} ms since 1970", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The clock for all decisions of this crate.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time; it may stand still or step back.
    fn now(&self) -> Timestamp;
}

/// The clock of a server, which is read about once a second. Between readings, this machine's
/// monotonic clock advances it.
#[cfg(any(feature = "postgres", feature = "redis"))]
#[derive(Debug)]
pub(crate) struct ServerClock {
    asked: std::sync::Mutex<Option<Asked>>,
    /// Whether the server is asked for its time.
    pub(crate) is_asked: bool,
}

#[cfg(any(feature = "postgres", feature = "redis"))]
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// The server's time at the last reading.
    shown: Timestamp,
    at: Instant,
    /// This machine's time at that moment.
    wall: SystemTime,
}

/// A reading of a server's clock.
#[cfg(any(feature = "postgres", feature = "redis"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerTime {
    /// The server's time; `None` if it is unknown.
    pub(crate) shown: Option<Timestamp>,
    /// Whether the next call to the server should also ask for its time.
    pub(crate) is_due: bool,
}

#[cfg(any(feature = "postgres", feature = "redis"))]
impl ServerClock {
    pub(crate) fn new(is_asked: bool) -> Self {
        Self { asked: std::sync::Mutex::default(), is_asked }
    }

    /// The server's time, and whether to ask for it: once a second, and at once after this
    /// machine's clock was set. After a caller is told to ask, others are not for about a second.
    pub(crate) fn now(&self) -> ServerTime {
        if !self.is_asked {
            return ServerTime { shown: None, is_due: false };
        }
        let mut asked = self.asked();
        let (at, wall) = (Instant::now(), SystemTime::now());
        let Some(last) = *asked else {
            return ServerTime { shown: None, is_due: true };
        };
        let passed = at.duration_since(last.at);
        let expected = last.wall + passed;
        let stepped = match wall.duration_since(expected) {
            Ok(ahead) => ahead,
            Err(behind) => behind.duration(),
        };
        let shown = last.shown + passed_millis(passed);
        let is_due = ASK_AGAIN_AFTER <= passed || ASK_AGAIN_AFTER <= stepped;
        if is_due {
            *asked = Some(Asked { shown, at, wall });
        }
        let shown = Some(shown);
        ServerTime { shown, is_due }
    }

    /// Stores the time in the server's answer.
    pub(crate) fn shows(&self, time: Timestamp) {
        let now = Asked { shown: time, at: Instant::now(), wall: SystemTime::now() };
        *self.asked() = Some(now);
    }

    /// Lets the next call to the server ask for its time.
    #[cfg(feature = "redis")]
    pub(crate) fn forget(&self) {
        *self.asked() = None;
    }

    /// Whether two clocks with these times differ by more than a minute.
    pub(crate) fn is_apart(shown: Timestamp, now: Timestamp) -> bool {
        Duration::MINUTE < shown.since(now).max(now.since(shown))
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Option<Asked>> {
        self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(any(feature = "postgres", feature = "redis"))]
fn passed_millis(passed: std::time::Duration) -> Duration {
    Duration::milliseconds(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(any(feature = "postgres", feature = "redis"))]
const ASK_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// A deadline for giving up, by this machine's monotonic clock.
#[cfg(feature = "sqlite")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

#[cfg(feature = "sqlite")]
impl Deadline {
    pub(crate) fn after(time: std::time::Duration) -> Self {
        Self(Instant::now() + time)
    }

    pub(crate) fn has_passed(self) -> bool {
        self.0 <= Instant::now()
    }
}

/// Measures elapsed time by this machine's monotonic clock, which cannot be set.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(tokio::time::Instant);

impl Stopwatch {
    /// Starts a stopwatch now.
    pub fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// Returns the time since its start.
    pub fn elapsed(self) -> Duration {
        Duration::try_from(self.0.elapsed()).unwrap_or(Duration::MAX)
    }
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        Timestamp(
            seconds.saturating_mul(1000).saturating_add(i64::from(since_epoch.subsec_millis())),
        )
    }
}

/// A clock that moves only when told to, for tests. Its clones show the same time.
///
/// ```
/// use time::Duration;
/// use tower_curfew::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::default();
/// let before = clock.now();
/// clock.advance(Duration::days(28));
/// assert_eq!(clock.now().since(before), Duration::days(28));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Makes a clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.0)))
    }

    /// Moves the clock forward, or back if `by` is negative.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Sets the clock to this time, which may be earlier.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

/// A clock that stands at 2026-01-01T00:00:00Z.
impl Default for ManualClock {
    fn default() -> Self {
        Self::new(Timestamp(1_767_225_600_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_never_stays_never() {
        assert_eq!(Timestamp::NEVER + Duration::days(-1), Timestamp::NEVER);
        assert_eq!(Timestamp::NEVER - Duration::days(1), Timestamp::NEVER);
        assert_eq!(Timestamp(5) + Duration::MAX, Timestamp::NEVER);
        assert_eq!(Timestamp(5) + Duration::microseconds(1999), Timestamp(6));
    }

    #[test]
    fn ages_are_never_negative() {
        assert_eq!(Timestamp(5).since(Timestamp(7)), Duration::ZERO);
        assert_eq!(Timestamp(7).since(Timestamp(5)), Duration::milliseconds(2));
    }

    #[test]
    fn prints_as_rfc_3339() {
        assert_eq!(ManualClock::default().now().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(Timestamp::NEVER.to_string(), "never");
        assert_eq!(Timestamp(i64::MAX - 1).to_string(), "9223372036854775806 ms since 1970");
    }
}
