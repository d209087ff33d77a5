//! How a [`Curfew`] is configured.

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

/// Configures a [`Curfew`]. Every setting has a default that is safe.
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
    /// Starts to configure a handle on the sessions in `store`, whose cookies `keyring` signs.
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

    /// How long sessions may last. Default: 28 days without activity, no absolute limit.
    ///
    /// A deploy with tighter limits binds living sessions at once; one with looser limits lengthens
    /// none of them.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long tokens may last, see [`Curfew::issue_token`]. Default: as long as the sessions of
    /// browsers.
    pub fn token_limits(mut self, limits: Limits) -> Self {
        self.token_limits = Some(limits);
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

    /// At most so many active sessions per user, tokens included, and what happens to one more. Default:
    /// 1,000, and the oldest ends. It holds under parallel sign-ins. Sessions that are over do not count.
    pub fn at_most_per_user(mut self, sessions: u32, at_cap: AtCap) -> Self {
        self.cap = (sessions, at_cap);
        self
    }

    /// The shortest and the longest limit that a policy may set, of an organization or for everyone.
    /// Default: 5 minutes to 400 days. Policies that are set already stay.
    pub fn policy_bounds(mut self, shortest: Duration, longest: Duration) -> Self {
        self.policy_bounds = (shortest, longest);
        self
    }

    /// The page to sign in on, a path on this host. Default: `/login`. It always passes the layer.
    pub fn login_at(mut self, path: impl Into<String>) -> Self {
        self.login_at = path.into();
        self
    }

    /// The page on which somebody who is signed in proves again who they are, a path on this host; where
    /// [`fresh_within`](crate::fresh_within) sends them. Default: the login page.
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    pub fn confirm_at(mut self, path: impl Into<String>) -> Self {
        self.confirm_at = Some(path.into());
        self
    }

    /// How it looks when a request is turned away. Default: [`Rejection::response`].
    pub fn reject_with(mut self, reject: impl Reject) -> Self {
        self.reject = Box::new(reject);
        self
    }

    /// The name of the cookie. Default: `__Host-Http-session`; or `__Secure-session` where a domain or
    /// another path than `/` is set; or `session` for [`insecure_cookie`](Self::insecure_cookie).
    ///
    /// Browsers guard names by their prefix: `__Host-` lets no other host set the cookie, `__Secure-`
    /// no connection without encryption. Another name signs everybody out.
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
    ///
    /// Without it, browsers drop the cookie there without a word, and whoever signs in is asked to sign
    /// in again. The log then has a warning.
    pub fn insecure_cookie(mut self) -> Self {
        self.cookie.insecure = true;
        self
    }

    /// The networks of the app's own proxies, such as `10.0.0.0/8` or `::1`, and the one header in
    /// which they name the client. Default: none, so that the address of a client is that of its
    /// connection.
    ///
    /// The header is read from the right: each of your proxies is passed over, and the first other
    /// address is that of the client. What stands left of it anybody may have written. A request
    /// whose connection comes from elsewhere can claim nothing.
    pub fn trust_proxies(
        mut self,
        networks: impl IntoIterator<Item = impl Into<String>>,
        header: ForwardedHeader,
    ) -> Self {
        self.proxies = Some((networks.into_iter().map(Into::into).collect(), header));
        self
    }

    /// How much of a client's address is kept. Default: the whole of it.
    pub fn address_retention(mut self, retention: AddressRetention) -> Self {
        self.client_reader.retention = retention;
        self
    }

    /// Finds the approximate location of clients. Default: none is known.
    pub fn locate_with(mut self, places: impl Locate) -> Self {
        self.client_reader.places = Some(Box::new(places));
        self
    }

    /// Names devices and browsers. Default: [`WellKnown`](crate::client::WellKnown), a small table of
    /// those that nearly everybody has.
    pub fn name_devices_with(mut self, devices: impl NameDevice) -> Self {
        self.client_reader.devices = Box::new(devices);
        self
    }

    /// Origins such as `https://app.example.com`, beside the app's own, whose pages may send changing
    /// requests to the [routes](crate::account_routes) of this crate with the cookie. Default: none. Whatever
    /// runs on them can do what a person can do there. Browsers want CORS headers besides, see the
    /// [recipe](crate::docs::recipes).
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    pub fn trust_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.trusted_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Shows every [`Event`] to the app, for its audit log: each start, end, refusal, change of a
    /// policy, and revocation. It is called on the way of a request, so it must not block: send the
    /// event elsewhere. Anybody can cause [refusals](crate::event::EventKind::Refused), as many as they like: do
    /// not let them crowd out the others.
    pub fn on_event(mut self, on_event: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Box::new(on_event));
        self
    }

    /// How long the check of a request waits for the store, and a call on the handle for each of its
    /// answers. Default: 1 second. After that the answer is 503.
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
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("limits", &self.limits).finish_non_exhaustive()
    }
}
