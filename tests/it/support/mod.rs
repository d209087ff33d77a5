//! What the stories are told with: a site over some store, with its own time, and its browsers.

mod any_store;
mod browser;
mod chance;
mod log;
#[cfg(feature = "postgres")]
mod pgbouncer;
mod raw;
mod store;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use time::Duration;
use tokio::sync::Barrier;
use tower_curfew::account_routes;
use tower_curfew::clock::{ManualClock, Timestamp};
use tower_curfew::store::{Membership, Record, SecretHash, Stamp};
use tower_curfew::{
    Builder, ClientInfo, Curfew, Error, Keyring, Limits, NewSession, OrgPolicy, Presence, ReturnTo,
    Session, SessionId, SetCookie,
};

pub use self::any_store::AnyStore;
#[cfg(feature = "postgres")]
pub use self::any_store::Way;
#[cfg(feature = "deadpool")]
pub use self::any_store::pool;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub use self::any_store::server;
pub use self::browser::{Answer, Browser, navigation, send};
pub use self::chance::Chance;
pub use self::log::Log;
#[cfg(feature = "postgres")]
pub use self::pgbouncer::PgBouncer;
pub use self::raw::Kept;
pub use self::store::{Fault, Held, Probe, WatchFault};

/// A site whose sessions are under curfew.
pub struct Site {
    pub curfew: Curfew,
    pub clock: ManualClock,
    pub store: Probe,
    pub router: Router,
    is_patient: bool,
}

/// The key that every site signs with, so that two of them can share a store.
pub fn keyring() -> Keyring {
    Keyring::from_bytes([7; 32]).unwrap()
}

/// A session as a store keeps it, of which nobody has the secret: another one for each number.
pub fn filed(number: u32, user: &str, org: &str, now: Timestamp) -> Arc<Record> {
    // Spread, as random ids are.
    let id = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let id = SessionId::from_bytes(id.to_le_bytes());
    let member = Membership { org: org.into(), stamp: Stamp::default(), joined: now };
    let record = Record::begin(id, SecretHash::from_bytes([7; 32]), user, now, number)
        .with_memberships(vec![member])
        .with_purge_after(now + days(35));
    Arc::new(record)
}

/// Tells a story on a site of its own over every store there is.
pub async fn on_every_store(story: impl AsyncFn(Site)) {
    for store in AnyStore::all().await {
        eprintln!("over {store:?}");
        story(Site::over(store, |builder| builder)).await;
    }
}

/// As [`on_every_store`], with a site that is configured.
pub async fn on_every_store_with(
    configure: impl Fn(Builder) -> Builder,
    story: impl AsyncFn(Site),
) {
    for store in AnyStore::all().await {
        eprintln!("over {store:?}");
        story(Site::over(store, &configure)).await;
    }
}

impl Site {
    /// A site over the memory store, which answers at once.
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// A site over the memory store that is configured.
    pub fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::node(Probe::new(AnyStore::memory()), ManualClock::default(), false, configure)
    }

    /// A site over any store. It waits for it as long as may be: how fast a disk or a server is, and
    /// how busy this machine, is no part of a story that does not set a timeout of its own.
    pub fn over(store: AnyStore, configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::node(Probe::new(store), ManualClock::default(), true, configure)
    }

    /// One more node of this site, with the same store and the same time, after a deploy.
    pub fn deployed_with(&self, configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::node(self.store.clone(), self.clock.clone(), self.is_patient, configure)
    }

    /// One more node of this site, with connections of its own to the same store.
    pub async fn another_node(&self, configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::node(self.store.elsewhere().await, self.clock.clone(), self.is_patient, configure)
    }

    /// One more node of this site, with the same store and a clock of its own.
    pub fn beside(&self, clock: ManualClock, configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::node(self.store.clone(), clock, self.is_patient, configure)
    }

    /// One more node of this site, which keeps sessions near.
    #[cfg(feature = "near")]
    pub async fn near(&self, near: tower_curfew::store::Near) -> Self {
        use tower_curfew::store::Store as _;

        let store = self.store.elsewhere().await;
        let cached = store.clone().near(near);
        Self::node_over(cached, store, self.clock.clone(), self.is_patient, |builder| builder)
    }

    /// The same over another way to the store, and not patient with it.
    #[cfg(all(feature = "near", any(feature = "postgres", feature = "redis")))]
    pub async fn near_over(&self, store: AnyStore, near: tower_curfew::store::Near) -> Self {
        use tower_curfew::store::Store as _;

        let store = Probe::new(store);
        let cached = store.clone().near(near);
        Self::node_over(cached, store, self.clock.clone(), false, |builder| builder)
    }

    fn node(
        store: Probe,
        clock: ManualClock,
        is_patient: bool,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::node_over(store.clone(), store, clock, is_patient, configure)
    }

    /// Over a store, at the bottom of which is this one.
    fn node_over(
        top: impl tower_curfew::store::Store,
        store: Probe,
        clock: ManualClock,
        is_patient: bool,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let mut builder = Curfew::builder(top, keyring()).clock(clock.clone());
        if is_patient {
            builder = builder.timeout(Duration::MINUTE);
        }
        let curfew = configure(builder).build().unwrap();
        let layer = curfew.layer().passive(["/account/session"]);
        #[cfg(feature = "near")]
        let layer = layer.uncached(["/presence"]);
        let router = routes().layer(layer).with_state(curfew.clone());
        Self { curfew, clock, store, router, is_patient }
    }

    /// Whether the store tells of changes. Behind a pooler it does not.
    #[expect(clippy::print_stdout, reason = "what is left out is said")]
    pub async fn tells_changes(&self) -> bool {
        use tower_curfew::store::Store as _;

        let tells = self.store.watch().await.unwrap().is_some();
        self.store.calls();
        if !tells {
            println!("skipped: {:?} does not tell of changes", self.store);
        }
        tells
    }

    /// A browser that has never been here.
    pub fn browser(&self) -> Browser {
        Browser::new(self.router.clone())
    }

    /// A browser in which somebody has just signed in.
    pub async fn signed_in(&self, user: &str, orgs: &[&str]) -> Browser {
        let mut browser = self.browser();
        browser.sign_in(user, orgs).await;
        browser
    }

    /// A browser in which this session has just started.
    pub async fn started(&self, new: NewSession) -> Browser {
        let cookie = self.curfew.start(new, &ClientInfo::for_tests()).await;
        let cookie = cookie.unwrap().request_header();
        let mut browser = self.browser();
        browser.cookie = Some(cookie.to_str().unwrap().to_owned());
        browser
    }

    /// A program with a token that has just been issued.
    pub async fn program(&self, new: NewSession) -> Browser {
        let issued = self.curfew.operator("tests").issue_token(new).await.unwrap();
        let mut program = self.browser();
        program.bearer = Some(issued.request_header().to_str().unwrap().to_owned());
        program
    }

    /// Two browsers in which sessions have just started that are alike.
    pub async fn started_twice(&self, new: NewSession) -> [Browser; 2] {
        [self.started(new.clone()).await, self.started(new).await]
    }

    /// Passes time until two sessions that are alike end, `after` from now: a millisecond before,
    /// one of them is alive; then the other is over, and for this reason.
    pub async fn ends_in(&self, after: Duration, [one, other]: &mut [Browser; 2], because: &str) {
        self.pass(after - MS);
        assert!(one.is_signed_in().await, "a millisecond before {after}");
        self.pass(MS);
        assert_eq!(other.turned_away_because().await, because, "at {after}");
    }

    /// The router of this site with more routes.
    pub fn router_with(&self, more: Router<Curfew>) -> Router {
        let layer = self.curfew.layer().passive(["/account/session"]);
        let router = routes().merge(more).layer(layer);
        router.with_state(self.curfew.clone())
    }

    /// What the store knows of the session in this browser.
    pub async fn record(&self, browser: &Browser) -> Arc<Record> {
        self.store.peek(browser.session()).await.unwrap()
    }

    /// The living session of this browser or program, as a handler gets it. It counts as a request.
    pub async fn session(&self, browser: &Browser) -> Session {
        let handler = async |session: Session| axum::Extension(session);
        let router: Router = Router::new().fallback(handler).layer(self.curfew.layer());
        let mut request = navigation("GET", "/");
        browser.identify(&mut request);
        let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
        response.extensions().get::<Session>().unwrap().clone()
    }

    /// What an admin does: sets the policy of an organization, or removes it.
    pub async fn set_policy(&self, org: &str, policy: impl Into<Option<OrgPolicy>>) {
        match policy.into() {
            Some(policy) => self.curfew.operator("tests").set_policy(org, policy).await.unwrap(),
            None => self.curfew.operator("tests").clear_policy(org).await.unwrap(),
        }
    }

    /// Ends all sessions of an organization.
    pub async fn revoke_org(&self, org: &str) {
        self.curfew.operator("tests").revoke_org(org).await.unwrap();
    }

    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub fn now(&self) -> Timestamp {
        tower_curfew::clock::Clock::now(&self.clock)
    }
}

pub fn days(days: i64) -> Duration {
    Duration::days(days)
}

pub fn hours(hours: i64) -> Duration {
    Duration::hours(hours)
}

pub fn minutes(minutes: i64) -> Duration {
    Duration::minutes(minutes)
}

pub fn seconds(seconds: i64) -> Duration {
    Duration::seconds(seconds)
}

pub const MS: Duration = Duration::MILLISECOND;

/// Whether counts are to be larger.
pub fn is_long() -> bool {
    std::env::var_os("CURFEW_LONG").is_some_and(|long| long == "1")
}

/// Whether counts are to be smaller, since somebody waits.
pub fn is_quick() -> bool {
    std::env::var_os("CURFEW_QUICK").is_some_and(|quick| quick == "1")
}

/// How often a race is run.
pub fn races() -> u32 {
    if is_long() {
        10_000
    } else if is_quick() {
        50
    } else {
        300
    }
}

/// Two requests at the same moment.
pub async fn at_once<A, B>(one: A, other: B) -> (A::Output, B::Output)
where
    A: Future<Output: Send> + Send + 'static,
    B: Future<Output: Send> + Send + 'static,
{
    let start = Arc::new(Barrier::new(2));
    let same = start.clone();
    let one = tokio::spawn(async move {
        start.wait().await;
        one.await
    });
    let other = tokio::spawn(async move {
        same.wait().await;
        other.await
    });
    (one.await.unwrap(), other.await.unwrap())
}

/// The routes of every site. Who signs in, and what as, is in the query.
pub fn routes() -> Router<Curfew> {
    Router::new()
        .route("/", get(home))
        .route("/about", get(async || "about us"))
        .route("/presence", get(presence).post(presence))
        .route("/landing", get(landing))
        .route("/login", get(async || "sign in here").post(sign_in))
        .route("/logout", post(sign_out))
        .route("/rotate", post(rotate))
        .route("/again", post(sign_in_again))
        .nest("/account", account_routes())
}

async fn home(session: Session) -> String {
    format!("hello {}", session.user())
}

async fn landing(session: Option<Session>) -> String {
    session.map_or("hello stranger".to_owned(), |session| format!("hello {}", session.user()))
}

async fn presence(presence: Presence) -> String {
    match presence {
        Presence::Live(session) => format!("live {}", session.user()),
        Presence::Ended(ended) => {
            format!("ended {} {}", ended.reason, ended.org.as_deref().unwrap_or("-"))
        }
        Presence::Anonymous => "anonymous".to_owned(),
    }
}

async fn sign_in(
    State(curfew): State<Curfew>,
    client: ClientInfo,
    back: ReturnTo,
    Query(form): Query<Vec<(String, String)>>,
) -> Result<Response, Error> {
    let field = |name: &'static str| {
        form.iter().filter(move |(field, _)| field == name).map(|(_, value)| value)
    };
    let Some(user) = field("user").next() else {
        return Ok((axum::http::StatusCode::UNAUTHORIZED, "who?").into_response());
    };
    let mut new = NewSession::for_user(user).orgs(field("org"));
    if field("brief").next().is_some() {
        new = new.until_browser_closes();
    }
    if let Some(hours) = field("hours").next() {
        new = new.at_most(Limits::absolute(Duration::hours(hours.parse().unwrap())));
    }
    let cookie = curfew.start(new, &client).await?;
    Ok((cookie, back.or("/")).into_response())
}

async fn sign_out(session: Session, State(curfew): State<Curfew>) -> Result<SetCookie, Error> {
    curfew.end(&session).await
}

async fn rotate(session: Session, State(curfew): State<Curfew>) -> Result<SetCookie, Error> {
    curfew.rotate(&session).await
}

async fn sign_in_again(session: Session, curfew: Curfew) -> Result<SetCookie, Error> {
    curfew.reauthenticated(&session).await
}
