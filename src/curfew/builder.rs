//! How a [`Curfew`] is configured.

use std::fmt;
use std::sync::Arc;

use time::Duration;

use super::error::ConfigError;
use super::{Curfew, Inner};
use crate::judge::Base;
use crate::limits::Limits;
use crate::reject::{Reject, Rejection, is_plain};
use crate::store::{ErasedStore, Store};
use crate::time::{Clock, SystemClock};
use crate::token::{CookieSettings, Keyring, Purpose, SameSite};

/// Configures a [`Curfew`]. Every setting has a default that is safe.
#[must_use = "call `build`"]
pub struct Builder {
    store: Box<dyn ErasedStore>,
    keyring: Keyring,
    cookie: CookieSettings,
    limits: Limits,
    refresh: Duration,
    cap: Option<(u32, Overflow)>,
    policy_bounds: (Duration, Duration),
    login_at: String,
    reject: Box<dyn Reject>,
    timeout: Duration,
    purge_every: Option<Duration>,
    clock: Box<dyn Clock>,
}

/// What happens when a user with as many sessions as one may have signs in once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The session with the oldest sign-in ends.
    EndOldest,
    /// The sign-in is refused.
    Refuse,
}

impl Builder {
    pub(super) fn new(store: impl Store, keyring: Keyring) -> Self {
        Self {
            store: Box::new(store),
            keyring,
            cookie: CookieSettings::default(),
            limits: Limits::default(),
            refresh: Duration::HOUR,
            cap: None,
            policy_bounds: (Duration::minutes(5), Duration::days(400)),
            login_at: "/login".to_owned(),
            reject: Box::new(|rejection: &Rejection<'_>| rejection.response()),
            timeout: Duration::SECOND,
            purge_every: Some(Duration::minutes(10)),
            clock: Box::new(SystemClock),
        }
    }

    /// How long sessions may last. Default: 28 days without activity, no absolute limit.
    ///
    /// A deploy with tighter limits binds living sessions at once; one with looser limits lengthens
    /// none of them.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How often the cookie is sent anew, and at most how often the store learns of activity.
    /// Default: hourly.
    ///
    /// Where an idle limit binds a session, the store learns of activity at least every tenth of
    /// that limit: an idle limit of 15 minutes is exact to 90 seconds.
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.refresh = interval;
        self
    }

    /// At most so many active sessions per user, and what happens to one more. Default: no cap. It
    /// holds under parallel sign-ins. Sessions that are over do not count.
    pub fn at_most_per_user(mut self, sessions: u32, overflow: Overflow) -> Self {
        self.cap = Some((sessions, overflow));
        self
    }

    /// The shortest and the longest limit that the policy of an organisation may set. Default: 5
    /// minutes to 400 days. Policies that are set already stay.
    pub fn policy_bounds(mut self, shortest: Duration, longest: Duration) -> Self {
        self.policy_bounds = (shortest, longest);
        self
    }

    /// The page to sign in on, a path on this host. Default: `/login`. It always passes the layer.
    pub fn login_at(mut self, path: impl Into<String>) -> Self {
        self.login_at = path.into();
        self
    }

    /// How it looks when a request is turned away. Default: [`Rejection::response`].
    pub fn reject_with(mut self, reject: impl Reject) -> Self {
        self.reject = Box::new(reject);
        self
    }

    /// The name of the cookie. Default: `__Host-Http-session`, or a name without `Host` where a
    /// domain or a path is set, or `session` for [`insecure_cookie`](Self::insecure_cookie).
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie.name = Some(name.into());
        self
    }

    /// Sends the cookie to all hosts of this domain too. Default: to this host only.
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie.domain = Some(domain.into());
        self
    }

    /// Sends the cookie only below this path. Default: `/`.
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie.path = Some(path.into());
        self
    }

    /// Whether requests that other sites cause carry the cookie. Default: [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.cookie.same_site = same_site;
        self
    }

    /// Leaves out `Secure`, so that browsers send the cookie over plain http to other hosts than
    /// localhost. Anybody on the network path can then take over a session: whoever calls this owes
    /// their users another protection, such as a private network.
    pub fn insecure_cookie(mut self) -> Self {
        self.cookie.insecure = true;
        self
    }

    /// How long to wait for the store. Default: 1 second. After that the answer is 503.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often records that nobody needs any more are deleted. Default: every 10 minutes.
    pub fn purge_every(mut self, interval: Duration) -> Self {
        self.purge_every = Some(interval);
        self
    }

    /// Leaves it to the app to call [`Curfew::purge`].
    pub fn purge_by_hand(mut self) -> Self {
        self.purge_every = None;
        self
    }

    /// The clock. Default: that of the operating system.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The handle.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that cannot work, and its value.
    pub fn build(self) -> Result<Curfew, ConfigError> {
        between("refresh_every", self.refresh, Duration::SECOND, Duration::WEEK)?;
        between("timeout", self.timeout, Duration::MILLISECOND, Duration::MINUTE)?;
        if let Some(interval) = self.purge_every {
            between("purge_every", interval, Duration::SECOND, Duration::WEEK)?;
        }
        let (shortest, longest) = self.policy_bounds;
        between("policy_bounds", shortest, Duration::MILLISECOND, longest)?;
        between("policy_bounds", longest, shortest, Duration::days(36_500))?;
        if let Some((0, _)) = self.cap {
            let message = "at_most_per_user is 0: nobody could ever sign in".to_owned();
            return Err(ConfigError::new(message));
        }
        // It stands between quotes in a header, and is no pattern of paths.
        if !is_plain(&self.login_at) || self.login_at.contains(['#', '"', '*']) {
            return Err(ConfigError::new(format!(
                "login_at is {:?}, which is no plain path on this host such as \"/login\"",
                self.login_at
            )));
        }
        let cookie = self.cookie.build()?;
        Ok(Curfew(Arc::new(Inner {
            store: self.store,
            signer: self.keyring.signer(Purpose::Cookie, cookie.name()),
            cookie,
            base: Base { limits: self.limits, refresh: self.refresh },
            cap: self.cap,
            policy_bounds: self.policy_bounds,
            login_at: self.login_at,
            reject: self.reject,
            timeout: self.timeout.unsigned_abs(),
            purge_every: self.purge_every.map(Duration::unsigned_abs),
            purger: super::purge::Purger::default(),
            clock: self.clock,
        })))
    }
}

fn between(
    setting: &str,
    given: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&given) {
        return Ok(());
    }
    Err(ConfigError::new(format!("{setting} is {given}, which is not between {least} and {most}")))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("limits", &self.limits).finish_non_exhaustive()
    }
}
