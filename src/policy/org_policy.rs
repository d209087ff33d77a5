//! The limits that an organization sets.

use time::Duration;

use crate::limits::{InvalidLimit, Limits};

/// The limits that an organization sets, on top of the app's own: at least one of both kinds.
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
/// millisecond and 36,500 days. For numbers that come from outside there is [`OrgPolicy::try_new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrgPolicy(Limits);

impl OrgPolicy {
    /// Sessions end this long after the sign-in, whatever happens since.
    #[must_use]
    pub const fn absolute(after: Duration) -> Self {
        Self(Limits::absolute(after))
    }

    /// Sessions end this long after the last activity.
    #[must_use]
    pub const fn idle(after: Duration) -> Self {
        Self(Limits::idle(after))
    }

    /// This policy with this absolute limit.
    #[must_use]
    pub const fn and_absolute(self, after: Duration) -> Self {
        Self(self.0.and_absolute(after))
    }

    /// This policy with this idle limit.
    #[must_use]
    pub const fn and_idle(self, after: Duration) -> Self {
        Self(self.0.and_idle(after))
    }

    /// A policy from numbers that come from outside; `Ok(None)` if neither is given.
    ///
    /// # Errors
    ///
    /// [`InvalidLimit`] if one of them is not between one millisecond and 36,500 days.
    pub fn try_new(
        absolute: Option<Duration>,
        idle: Option<Duration>,
    ) -> Result<Option<Self>, InvalidLimit> {
        let limits = Limits::try_new(absolute, idle)?;
        Ok((limits != Limits::unlimited()).then_some(Self(limits)))
    }

    /// What the settings pages of products call the session length, with a check box "refresh
    /// automatically": an idle limit of this length if it is checked, an absolute one if not.
    #[must_use]
    pub const fn session_length(length: Duration, refresh_automatically: bool) -> Self {
        if refresh_automatically { Self::idle(length) } else { Self::absolute(length) }
    }

    /// How long after the sign-in sessions end.
    pub const fn absolute_limit(&self) -> Option<Duration> {
        self.0.absolute_limit()
    }

    /// How long after the last activity sessions end.
    pub const fn idle_limit(&self) -> Option<Duration> {
        self.0.idle_limit()
    }

    pub(super) fn limits(&self) -> Limits {
        self.0
    }
}
