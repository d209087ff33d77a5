//! Configuration of a [`Curfew`].

use std::fmt;

use time::Duration;

use super::handle::{AtCap, Curfew};
use crate::client::{AddressRetention, ClientReader, ForwardedHeader, Locate, NameDevice};
use crate::clock::{Clock, SystemClock};
use crate::cookie::{CookieSettings, SameSite};
use crate::event::{Event, EventHook};
use crate::limits::Limits;
use crate::reject::{Reject, Rejection};
use crate::store::{ErasedStore, Store};
use crate::token::Keyring;

/// Configures a [`Curfew`]. Every setting has a safe default.
///
/// ```
/// use time::Duration;
/// use tower_curfew::store::MemoryStore;
/// use tower_curfew::{AtCap, Curfew, Keyring, Limits};
///
/// # let key = [7; 32];
/// let curfew = Curfew::builder(MemoryStore::new(), Keyring::from_bytes(key)?)
///     .limits(Limits::absolute(Duration::days(30)).and_idle(Duration::days(7)))
///     .token_limits(Limits::idle(Duration::days(90)))
///     .at_most_per_user(10, AtCap::EndOldest)
///     .login_at("/sign-in")
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "call `build`"]
pub struct Builder {
    pub(super) store: Box<dyn ErasedStore>,
    pub(super) keyring: Keyring,
    pub(super) cookie: CookieSettings,
    pub(super) limits: Limits,
    pub(super) token_limits: Option<Limits>,
    pub(super) refresh: Duration,
    pub(super) cap: (u32, AtCap),
    pub(super) policy_bounds: (Duration, Duration),
    pub(super) login_at: String,
    pub(super) confirm_at: Option<String>,
    pub(super) reject: Box<dyn Reject>,
    pub(super) client_reader: ClientReader,
    pub(super) proxies: Option<(Vec<String>, ForwardedHeader)>,
    pub(super) trusted_origins: Vec<String>,
    pub(super) on_event: Option<EventHook>,
    pub(super) timeout: Duration,
    pub(super) purge_every: Option<Duration>,
    pub(super) clock: Box<dyn Clock>,
}

impl Curfew {
    /// Starts the configuration of a handle: `store` keeps the sessions, `keyring` signs the
    /// cookies.
    pub fn builder(store: impl Store, keyring: Keyring) -> Builder {
        Builder::new(store, keyring)
    }
}

impl Builder {
    fn new(store: impl Store, keyring: Keyring) -> Self {
        Self {
            store: Box::new(store),
            keyring,
            cookie: CookieSettings::default(),
            limits: Limits::default(),
            token_limits: None,
            refresh: Duration::HOUR,
            cap: (1_000, AtCap::EndOldest),
            policy_bounds: (Duration::minutes(5), Duration::days(400)),
            login_at: "/login".to_owned(),
            confirm_at: None,
            reject: Box::new(|rejection: &Rejection<'_>| rejection.response()),
            client_reader: ClientReader::default(),
            proxies: None,
            trusted_origins: Vec::new(),
            on_event: None,
            timeout: Duration::SECOND,
            purge_every: Some(Duration::minutes(10)),
            clock: Box::new(SystemClock),
        }
    }

    /// Sets the limits of sessions. Default: 28 days without activity, no absolute limit.
    ///
    /// A deployment with tighter limits binds living sessions at once. Looser limits do not extend
    /// living sessions.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the limits of tokens, see [`Curfew::issue_token`]. Default: the limits of browser
    /// sessions.
    pub fn token_limits(mut self, limits: Limits) -> Self {
        self.token_limits = Some(limits);
        self
    }

    /// Sets how often the cookie and the recorded activity are refreshed at most. Default: hourly.
    ///
    /// An idle limit makes this more frequent: activity is recorded at least every tenth of that
    /// limit. For example, an idle limit of 15 minutes is exact to 90 seconds.
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.refresh = interval;
        self
    }

    /// Limits the active sessions of each user, tokens included. Default: 1,000, and the oldest
    /// ends.
    ///
    /// `at_cap` decides what happens at the next sign-in beyond the cap. The cap holds under
    /// parallel sign-ins. Ended sessions do not count.
    pub fn at_most_per_user(mut self, sessions: u32, at_cap: AtCap) -> Self {
        self.cap = (sessions, at_cap);
        self
    }

    /// Sets the shortest and the longest limit that a policy may have. Default: 5 minutes to 400
    /// days.
    ///
    /// The bounds apply to policies of organizations and to the policy for everyone. Existing
    /// policies stay.
    pub fn policy_bounds(mut self, shortest: Duration, longest: Duration) -> Self {
        self.policy_bounds = (shortest, longest);
        self
    }

    /// Sets the login page, a path on this host. Default: `/login`. The layer always admits it.
    pub fn login_at(mut self, path: impl Into<String>) -> Self {
        self.login_at = path.into();
        self
    }

    /// Sets the page where a user reauthenticates, a path on this host. Default: the login page.
    ///
    /// [`fresh_within`](crate::fresh_within) redirects to this page.
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    pub fn confirm_at(mut self, path: impl Into<String>) -> Self {
        self.confirm_at = Some(path.into());
        self
    }

    /// Sets the response to a rejected request. Default: [`Rejection::response`].
    pub fn reject_with(mut self, reject: impl Reject) -> Self {
        self.reject = Box::new(reject);
        self
    }

    /// Sets the name of the cookie. Default: `__Host-Http-session`.
    ///
    /// With a domain or a path other than `/` the default is `__Secure-session`. With
    /// [`insecure_cookie`](Self::insecure_cookie) it is `session`.
    ///
    /// Browsers enforce the prefix: only this host can set a `__Host-` cookie, and only an
    /// encrypted connection can set a `__Secure-` cookie. Changing the name signs out all users.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie.name = Some(name.into());
        self
    }

    /// Sends the cookie to all hosts of this domain. Default: to this host only.
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie.domain = Some(domain.into());
        self
    }

    /// Sends the cookie only to this path and the paths below it. Default: `/`.
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie.path = Some(path.into());
        self
    }

    /// Decides whether cross-site requests carry the cookie. Default: [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.cookie.same_site = same_site;
        self
    }

    /// Omits `Secure`, so that browsers send the cookie over plain HTTP to hosts other than
    /// localhost.
    ///
    /// An attacker on the network path can then take over a session. Protect your users in another
    /// way, for example with a private network.
    ///
    /// Without this setting, browsers silently drop the cookie on plain HTTP, and a user who signs
    /// in is asked to sign in again. The log then has a warning.
    pub fn insecure_cookie(mut self) -> Self {
        self.cookie.insecure = true;
        self
    }

    /// Trusts the app's own proxies to name the client in one header. Default: no proxies.
    ///
    /// Networks are written like `10.0.0.0/8` or `::1`. Without proxies, the address of a client is
    /// that of its connection.
    ///
    /// The header is read from the right. Your proxies are skipped, and the first other address is
    /// the client's. The client itself could have written anything left of it, so that part is
    /// ignored. The header is ignored if the connection comes from another network.
    pub fn trust_proxies(
        mut self,
        networks: impl IntoIterator<Item = impl Into<String>>,
        header: ForwardedHeader,
    ) -> Self {
        self.proxies = Some((networks.into_iter().map(Into::into).collect(), header));
        self
    }

    /// Sets how much of a client's address is kept. Default: the whole address.
    pub fn address_retention(mut self, retention: AddressRetention) -> Self {
        self.client_reader.retention = retention;
        self
    }

    /// Sets how the approximate location of a client is found. Default: no locations.
    pub fn locate_with(mut self, places: impl Locate) -> Self {
        self.client_reader.places = Some(Box::new(places));
        self
    }

    /// Sets how devices and browsers are named. Default: [`WellKnown`](crate::client::WellKnown), a
    /// small table of common ones.
    pub fn name_devices_with(mut self, devices: impl NameDevice) -> Self {
        self.client_reader.devices = Box::new(devices);
        self
    }

    /// Trusts pages of other origins, such as `https://app.example.com`. Default: only the app's
    /// own.
    ///
    /// These pages may send requests that change state to the [routes](crate::account_routes) of
    /// this crate, with the cookie. A script on such a page can do everything there that the user
    /// can do. Browsers also require CORS headers, see the [recipe](crate::docs::recipes).
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    pub fn trust_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.trusted_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Sends every [`Event`] to the app, for its audit log.
    ///
    /// Events tell of each start, end, refusal, policy change and revocation. The function is
    /// called while a request is handled, so it must not block: send the event to another task. An
    /// attacker can cause any number of [refusals](crate::event::EventKind::Refused), so make sure
    /// that they do not crowd out other events.
    pub fn on_event(mut self, on_event: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Box::new(on_event));
        self
    }

    /// Sets how long a request or a call on the handle waits for the store. Default: 1 second.
    ///
    /// All store calls of a request's check share this time. On the handle, it applies to each
    /// answer of the store. After the timeout the answer is 503.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how often records that are no longer needed are deleted. Default: every 10 minutes.
    pub fn purge_every(mut self, interval: Duration) -> Self {
        self.purge_every = Some(interval);
        self
    }

    /// Leaves purging to the app, which calls [`Curfew::purge`].
    pub fn purge_by_hand(mut self) -> Self {
        self.purge_every = None;
        self
    }

    /// Sets the clock. Default: the operating system's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("limits", &self.limits).finish_non_exhaustive()
    }
}
