//! The limits that an organization sets.

use time::Duration;

use crate::limits::{InvalidLimit, Limits};

/// The limits that an organization sets, on top of the app's limits: at least one of the two kinds.
///
/// ```
/// use time::Duration;
/// use tower_curfew::OrgPolicy;
///
/// const WORKDAY: OrgPolicy = OrgPolicy::absolute(Duration::hours(12)).and_idle(Duration::hours(1));
/// // What the form of a settings page has sent:
/// let (length, refresh_automatically) = (Duration::days(7), true);
/// let policy = OrgPolicy::session_length(length, refresh_automatically);
/// assert_eq!(policy, OrgPolicy::idle(Duration::days(7)));
/// ```
///
/// # Panics
///
/// The constructors panic, in a `const` at compile time, unless the duration is between one
/// millisecond and 36,500 days. For durations from configuration or input, use
/// [`OrgPolicy::try_new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrgPolicy(Limits);

impl OrgPolicy {
    /// Sessions end this long after the sign-in, regardless of activity.
    #[must_use]
    pub const fn absolute(after: Duration) -> Self {
        Self(Limits::absolute(after))
    }

    /// Sessions end this long after the last activity.
    #[must_use]
    pub const fn idle(after: Duration) -> Self {
        Self(Limits::idle(after))
    }

    /// Sets the absolute limit of this policy.
    #[must_use]
    pub const fn and_absolute(self, after: Duration) -> Self {
        Self(self.0.and_absolute(after))
    }

    /// Sets the idle limit of this policy.
    #[must_use]
    pub const fn and_idle(self, after: Duration) -> Self {
        Self(self.0.and_idle(after))
    }

    /// Makes a policy from durations in configuration or input; `Ok(None)` if neither is given.
    ///
    /// # Errors
    ///
    /// [`InvalidLimit`] if a duration is not between one millisecond and 36,500 days.
    pub fn try_new(
        absolute: Option<Duration>,
        idle: Option<Duration>,
    ) -> Result<Option<Self>, InvalidLimit> {
        let limits = Limits::try_new(absolute, idle)?;
        Ok((limits != Limits::unlimited()).then_some(Self(limits)))
    }

    /// Makes a policy from a settings page: a session length and a check box "refresh
    /// automatically".
    ///
    /// If the box is checked, the length is an idle limit; otherwise it is an absolute limit.
    #[must_use]
    pub const fn session_length(length: Duration, refresh_automatically: bool) -> Self {
        if refresh_automatically { Self::idle(length) } else { Self::absolute(length) }
    }

    /// Returns how long after the sign-in sessions end; `None` without an absolute limit.
    pub const fn absolute_limit(&self) -> Option<Duration> {
        self.0.absolute_limit()
    }

    /// Returns how long after the last activity sessions end; `None` without an idle limit.
    pub const fn idle_limit(&self) -> Option<Duration> {
        self.0.idle_limit()
    }

    pub(super) fn limits(&self) -> Limits {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_may_set_either_limit_or_both_in_any_order() {
        let (day, hour) = (Duration::DAY, Duration::HOUR);
        let made = |absolute, idle| OrgPolicy::try_new(absolute, idle).unwrap();
        assert_eq!(made(None, None), None);
        assert_eq!(made(Some(day), None), Some(OrgPolicy::session_length(day, false)));
        assert_eq!(made(None, Some(hour)), Some(OrgPolicy::session_length(hour, true)));
        let both = made(Some(day), Some(hour));
        assert_eq!(both, Some(OrgPolicy::absolute(day).and_idle(hour)));
        assert_eq!(both, Some(OrgPolicy::idle(hour).and_absolute(day)));
    }
}
