//! tower-curfew.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{
    Cap, Inserted, Key, Listed, Loaded, MemoryStore, OrgRules, Page, Record, Replaced, Revision,
    RulesChanged, Store, StoreError,
};
use tower_curfew::{
    ClientInfo, Curfew, Error, Keyring, Limits, NewSession, OrgPolicy, Selector, Session, SessionId,
};

use super::checks::{self, Library, Settings, Shortening, Timeouts};
use super::meter::{Broken, Meter};
use super::table::Column;

pub async fn column() -> Column {
    Column {
        library: "tower-curfew",
        sign_out_stays: checks::sign_out_stays::<Ours>().await,
        ends_all_others: checks::ends_all_others::<Ours>("yes").await,
        both_timeouts: checks::both_timeouts::<Ours>().await,
        store_fails: checks::store_fails::<Ours>().await,
        forged_cookie: checks::forged_cookie::<Ours>().await,
        writes_of_100_requests: checks::writes_of_100_requests::<Ours>().await,
        shortened: checks::shortened_by::<Ours>(Shortening::Call).await,
        users_list_sessions: checks::users_list_sessions::<Ours>().await,
    }
}

struct Ours;

impl Library for Ours {
    type Store = Metered;

    fn store(meter: Meter) -> Metered {
        Metered { meter, sessions: MemoryStore::new() }
    }

    async fn node(store: &Metered, settings: Settings) -> Router {
        let key: [u8; 32] = *settings.key.first_chunk().expect("it is longer");
        let curfew = Curfew::builder(store.clone(), Keyring::from_bytes(key).expect("32 bytes"))
            .limits(limits(settings.timeouts))
            // By default a policy sets five minutes at least.
            .policy_bounds(time::Duration::SECOND, time::Duration::days(400))
            .build()
            .expect("the settings are valid");
        let barrier = settings.barrier;
        let slow = async move |session: Session, curfew: Curfew| {
            barrier.wait().await;
            barrier.wait().await;
            curfew.rotate(&session).await
        };
        Router::new()
            .route("/", get(async |session: Session| session.user().to_owned()))
            .route("/sign-in/{user}", get(sign_in))
            .route(
                "/sign-out",
                get(async |session: Session, curfew: Curfew| curfew.end(&session).await),
            )
            .route("/slow", get(slow))
            .route("/everywhere-else", get(end_everywhere_else))
            .route("/shorten", get(shorten))
            .route("/sessions", get(list))
            .layer(curfew.layer())
    }
}

fn limits(timeouts: Timeouts) -> Limits {
    let duration = |of: Duration| time::Duration::try_from(of).expect("not that long");
    match (timeouts.idle.map(duration), timeouts.absolute.map(duration)) {
        (Some(idle), Some(absolute)) => Limits::absolute(absolute).and_idle(idle),
        (Some(idle), None) => Limits::idle(idle),
        (None, Some(absolute)) => Limits::absolute(absolute),
        (None, None) => Limits::unlimited(),
    }
}

async fn sign_in(
    Path(user): Path<String>,
    curfew: Curfew,
    client: ClientInfo,
) -> Result<tower_curfew::SetCookie, Error> {
    curfew.start(NewSession::for_user(user), &client).await
}

async fn end_everywhere_else(session: Session, curfew: Curfew) -> Result<(), Error> {
    let others = Selector::user(session.user()).except(session.id());
    curfew.revoke(&session, others).await.map(drop)
}

async fn shorten(session: Session, curfew: Curfew) -> Result<(), Error> {
    let policy = OrgPolicy::absolute(time::Duration::SECOND);
    curfew.set_policy_for_everyone(&session, policy).await
}

async fn list(session: Session, curfew: Curfew) -> Result<String, Error> {
    let mut lines = String::new();
    for active in curfew.list(session.user()).await? {
        let seen = active.last_seen_at().map(|at| at.to_string()).unwrap_or_default();
        let device = active.client().device.unwrap_or_default();
        writeln!(lines, "{seen}\t{device}").expect("a string takes it");
    }
    Ok(lines)
}

#[derive(Clone)]
struct Metered {
    meter: Meter,
    sessions: MemoryStore,
}

fn broken(broken: Broken) -> StoreError {
    StoreError::new("the store does not answer", broken)
}

impl Store for Metered {
    async fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Result<Inserted, StoreError> {
        self.meter.write().map_err(broken)?;
        self.sessions.insert(record, cap).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, StoreError> {
        self.meter.read().map_err(broken)?;
        self.sessions.load(id).await
    }

    async fn replace(&self, record: Arc<Record>) -> Result<Replaced, StoreError> {
        self.meter.write().map_err(broken)?;
        self.sessions.replace(record).await
    }

    async fn list(&self, key: &Key, page: Page) -> Result<Listed, StoreError> {
        self.meter.read().map_err(broken)?;
        self.sessions.list(key, page).await
    }

    async fn rules_since(
        &self,
        revision: Revision,
        at_most: u32,
    ) -> Result<RulesChanged, StoreError> {
        self.meter.read().map_err(broken)?;
        self.sessions.rules_since(revision, at_most).await
    }

    async fn replace_rules(
        &self,
        org: &str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.meter.write().map_err(broken)?;
        self.sessions.replace_rules(org, rules, now).await
    }

    async fn purge(&self, now: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.meter.write().map_err(broken)?;
        self.sessions.purge(now, at_most).await
    }
}
