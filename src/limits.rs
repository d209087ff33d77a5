//! The limits on the lifetime of sessions.

use std::fmt;

use time::Duration;

/// How long a record is kept after the session's latest possible end, so that a late visitor still
/// learns why it ended.
pub(crate) const GRACE: Duration = Duration::days(7);

/// Browsers keep no cookie longer (RFC 6265bis, section 5.5), so no request asks later why a
/// session ended.
pub(crate) const COOKIE_LIFE: Duration = Duration::days(400);

/// Long enough for every use, short enough that sums of times stay representable.
const LONGEST: Duration = Duration::days(36_500);

/// The two limits on a session, each optional.
///
/// The *absolute* limit counts from the sign-in, regardless of activity. The *idle* limit counts
/// from the last activity. The OWASP Session Management Cheat Sheet calls them absolute timeout and
/// idle timeout.
///
/// The default is 28 days idle, without an absolute limit: a user who returns at least every 28
/// days stays signed in.
///
/// ```
/// use time::Duration;
/// use tower_curfew::Limits;
///
/// const LIMITS: Limits = Limits::absolute(Duration::days(7)).and_idle(Duration::hours(12));
/// ```
///
/// # Panics
///
/// The constructors panic, in a `const` at compile time, unless the duration is between one
/// millisecond and 36,500 days. For durations from configuration or input, use [`Limits::try_new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    absolute: Option<Duration>,
    idle: Option<Duration>,
}

impl Limits {
    /// NIST SP 800-63B-4, authentication assurance level 2 (section 2.2.3): 24 hours, 1 hour idle.
    pub const NIST_AAL2: Self = Self::absolute(Duration::hours(24)).and_idle(Duration::hours(1));

    /// NIST SP 800-63B-4, authentication assurance level 3 (section 2.3.3): 12 hours, 15 minutes
    /// idle.
    pub const NIST_AAL3: Self = Self::absolute(Duration::hours(12)).and_idle(Duration::minutes(15));

    /// An absolute limit alone.
    #[must_use]
    pub const fn absolute(after: Duration) -> Self {
        Self { absolute: Some(valid(after)), idle: None }
    }

    /// An idle limit alone: sessions last as long as they are used.
    #[must_use]
    pub const fn idle(after: Duration) -> Self {
        Self { absolute: None, idle: Some(valid(after)) }
    }

    /// No limit: sessions last until they are ended.
    ///
    /// Records of abandoned sessions are then kept without end.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { absolute: None, idle: None }
    }

    /// Sets the absolute limit.
    #[must_use]
    pub const fn and_absolute(self, after: Duration) -> Self {
        Self { absolute: Some(valid(after)), idle: self.idle }
    }

    /// Sets the idle limit.
    #[must_use]
    pub const fn and_idle(self, after: Duration) -> Self {
        Self { absolute: self.absolute, idle: Some(valid(after)) }
    }

    /// Makes limits from durations in configuration or input. `None` is no limit of that kind.
    ///
    /// # Errors
    ///
    /// [`InvalidLimit`] if a duration is not between one millisecond and 36,500 days.
    pub fn try_new(
        absolute: Option<Duration>,
        idle: Option<Duration>,
    ) -> Result<Self, InvalidLimit> {
        for given in [absolute, idle].into_iter().flatten() {
            if !is_valid(given) {
                return Err(InvalidLimit(given));
            }
        }
        Ok(Self { absolute: absolute.map(valid), idle: idle.map(valid) })
    }

    /// Returns how long after the sign-in a session ends; `None` without an absolute limit.
    pub const fn absolute_limit(&self) -> Option<Duration> {
        self.absolute
    }

    /// Returns how long after the last activity a session ends; `None` without an idle limit.
    pub const fn idle_limit(&self) -> Option<Duration> {
        self.idle
    }

    /// Returns the shorter limit of both, for each kind.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        Self {
            absolute: shorter(self.absolute, other.absolute),
            idle: shorter(self.idle, other.idle),
        }
    }

    /// The longest lifetime of an unused session; `None` without a limit.
    pub(crate) fn longest_silence(&self) -> Option<Duration> {
        shorter(self.absolute, self.idle)
    }

    /// Describes these limits in words, and where they deviate from NIST SP 800-63B-4.
    ///
    /// ```
    /// use tower_curfew::Limits;
    ///
    /// assert_eq!(
    ///     Limits::default().describe(),
    ///     "sessions end after 28 days without activity; NIST SP 800-63B-4 wants a definite overall \
    ///      timeout (2.1.3): add an absolute limit of at most 30 days",
    /// );
    /// assert_eq!(
    ///     Limits::NIST_AAL2.describe(),
    ///     "sessions end 1 day after sign-in or after 1 hour without activity; within \
    ///      NIST SP 800-63B-4 AAL2",
    /// );
    /// ```
    pub fn describe(&self) -> String {
        let ends = match (self.absolute, self.idle) {
            (None, None) => "sessions end only when somebody ends them".to_owned(),
            (None, Some(idle)) => format!("sessions end after {} without activity", Spelled(idle)),
            (Some(absolute), None) => format!("sessions end {} after sign-in", Spelled(absolute)),
            (Some(absolute), Some(idle)) => format!(
                "sessions end {} after sign-in or after {} without activity",
                Spelled(absolute),
                Spelled(idle)
            ),
        };
        format!("{ends}; {}", self.against_nist())
    }

    fn against_nist(&self) -> &'static str {
        // A level has both limits, so limits that it does not tighten have both, too.
        let within = |level: &Self| *self == self.tighter(*level);
        match self.absolute {
            None => {
                "NIST SP 800-63B-4 wants a definite overall timeout (2.1.3): add an absolute limit \
                 of at most 30 days"
            }
            Some(_) if within(&Self::NIST_AAL3) => "within NIST SP 800-63B-4 AAL3",
            Some(_) if within(&Self::NIST_AAL2) => "within NIST SP 800-63B-4 AAL2",
            Some(absolute) if absolute <= Duration::days(30) => {
                "within NIST SP 800-63B-4 AAL1; AAL2 wants at most 24 hours, and 1 hour idle (2.2.3)"
            }
            Some(_) => {
                "NIST SP 800-63B-4 wants an overall timeout of at most 30 days at AAL1 (2.1.3)"
            }
        }
    }
}

/// 28 days without activity, no absolute limit.
impl Default for Limits {
    fn default() -> Self {
        const { Self::idle(Duration::days(28)) }
    }
}

/// The error for an invalid limit: zero, negative, or beyond 36,500 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a limit of {0} is not between 1 millisecond and 36,500 days")]
pub struct InvalidLimit(pub(crate) Duration);

/// One of the two limits on a session. Exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Counted from the sign-in.
    Absolute,
    /// Counted from the last activity.
    Idle,
}

impl Limit {
    /// Returns a name that stays the same in all versions: `absolute` or `idle`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Idle => "idle",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const fn is_valid(after: Duration) -> bool {
    after.whole_milliseconds() >= 1 && after.whole_milliseconds() <= LONGEST.whole_milliseconds()
}

/// Checks a limit in whole milliseconds, and panics if it is invalid.
const fn valid(after: Duration) -> Duration {
    assert!(is_valid(after), "a limit must be between 1 millisecond and 36,500 days");
    #[expect(clippy::cast_possible_truncation, reason = "is_valid keeps it far within i64")]
    Duration::milliseconds(after.whole_milliseconds() as i64)
}

/// The shorter of two limits, where `None` is no limit.
pub(crate) fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Displays a duration of at least a millisecond in words: `1 day 12 hours`.
pub(crate) struct Spelled(pub(crate) Duration);

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.whole_milliseconds();
        let mut space = "";
        for (unit, name) in [
            (86_400_000, "day"),
            (3_600_000, "hour"),
            (60_000, "minute"),
            (1000, "second"),
            (1, "millisecond"),
        ] {
            let count = rest / unit;
            rest %= unit;
            if count != 0 {
                let plural = if count == 1 { "" } else { "s" };
                write!(f, "{space}{count} {name}{plural}")?;
                space = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_limit_is_refused_with_its_value() {
        for wrong in
            [Duration::ZERO, Duration::days(-1), Duration::microseconds(999), Duration::MAX]
        {
            let error = Limits::try_new(None, Some(wrong)).unwrap_err();
            assert!(error.to_string().contains(&wrong.to_string()), "{error}");
        }
        assert!(Limits::try_new(Some(Duration::milliseconds(1)), Some(LONGEST)).is_ok());
        assert_eq!(Limits::try_new(None, None), Ok(Limits::unlimited()));
    }

    #[test]
    fn the_limits_of_nist_are_those_of_its_publication() {
        let of = |limits: Limits| (limits.absolute_limit(), limits.idle_limit());
        let aal2 = (Some(Duration::hours(24)), Some(Duration::hours(1)));
        let aal3 = (Some(Duration::hours(12)), Some(Duration::minutes(15)));
        assert_eq!(of(Limits::NIST_AAL2), aal2);
        assert_eq!(of(Limits::NIST_AAL3), aal3);
    }

    #[test]
    fn describe_names_what_deviates() {
        let describe = |absolute, idle| Limits::try_new(absolute, idle).unwrap().describe();
        assert!(
            describe(None, None).starts_with("sessions end only when somebody ends them; NIST")
        );
        let year = describe(Some(Duration::days(365)), None);
        assert!(year.ends_with("at most 30 days at AAL1 (2.1.3)"), "{year}");
        let week = describe(Some(Duration::days(7)), Some(Duration::minutes(90)));
        assert!(
            week.starts_with("sessions end 7 days after sign-in or after 1 hour 30 minutes"),
            "{week}"
        );
        assert!(week.contains("AAL2 wants at most 24 hours"), "{week}");
        let (hour, day) = (Duration::HOUR, Duration::DAY);
        for (absolute, idle, against_nist) in [
            (hour * 12, Some(Duration::minutes(15)), "within NIST SP 800-63B-4 AAL3"),
            (hour * 12, Some(Duration::minutes(16)), "within NIST SP 800-63B-4 AAL2"),
            (day, Some(hour), "within NIST SP 800-63B-4 AAL2"),
            (day, None, "1 hour idle (2.2.3)"),
            (day * 30, Some(hour), "1 hour idle (2.2.3)"),
            (day * 30 + Duration::MILLISECOND, Some(hour), "at most 30 days at AAL1 (2.1.3)"),
        ] {
            let told = describe(Some(absolute), idle);
            assert!(told.ends_with(against_nist), "{told}");
        }
    }
}
