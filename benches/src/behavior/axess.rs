//! axess-core, with its registry of sessions. It always signs its cookies. A user is a UUID, of a tenant.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axess_core::authn::{TenantId, UserId};
use axess_core::session::store::CycleOutcome;
use axess_core::{
    AuthSession, Clock as _, ConditionalUpdate, MemorySessionRegistry, MemorySessionStore,
    SessionData, SessionId, SessionLayer, SessionRegistry as _, SessionRegistryAdapter,
    SessionStore, SystemClock,
};
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;

use super::checks::{self, Library, Settings, Shortening};
use super::meter::{Broken, Meter};
use super::table::Column;

pub async fn column() -> Column {
    Column {
        library: "axess-core",
        sign_out_stays: checks::sign_out_stays::<Axess>().await,
        ends_all_others: checks::ends_all_others::<Axess>("yes").await,
        both_timeouts: checks::both_timeouts::<Axess>().await,
        store_fails: checks::store_fails::<Axess>().await,
        forged_cookie: checks::forged_cookie::<Axess>().await,
        writes_of_100_requests: checks::writes_of_100_requests::<Axess>().await,
        shortened: checks::shortened_by::<Axess>(Shortening::Restart).await,
        users_list_sessions: checks::users_list_sessions::<Axess>().await,
    }
}

struct Axess;

impl Library for Axess {
    type Store = Behind;

    fn store(meter: Meter) -> Behind {
        let sessions = Metered { meter, sessions: MemorySessionStore::new() };
        Behind { sessions, registry: MemorySessionRegistry::new() }
    }

    async fn node(behind: &Behind, settings: Settings) -> Router {
        let key: [u8; 32] = *settings.key.first_chunk().expect("it is longer");
        let registry = SessionRegistryAdapter(behind.registry.clone());
        let mut layer =
            SessionLayer::new(behind.sessions.clone(), key).with_registry(Arc::new(registry));
        if let Some(idle) = settings.timeouts.idle {
            layer = layer.with_ttl(idle);
        }
        if let Some(absolute) = settings.timeouts.absolute {
            layer = layer.with_max_session_age(absolute);
        }

        let registry = behind.registry.clone();
        let sign_in = async move |Path(user): Path<String>, session: AuthSession| {
            let user = user.parse::<UserId>().expect("a UUID");
            session.set_authenticated(user, TenantId::from_bytes([1; 16]), SystemClock.now()).await;
            let Ok(()) = registry.register(&user, &session.session_id().await).await;
        };
        let barrier = settings.barrier;
        let slow = async move |session: AuthSession| {
            let user = user_of(&session).await?;
            barrier.wait().await;
            barrier.wait().await;
            session.set_custom("seen", user.to_string().into()).await;
            Ok::<_, StatusCode>(())
        };
        let registry = behind.registry.clone();
        // `RequestAuthnService::invalidate_user_sessions` makes the same call.
        let everywhere_else = async move |session: AuthSession| {
            let Ok(()) = registry.invalidate_user(&user_of(&session).await?).await;
            Ok::<_, StatusCode>(())
        };
        let (registry, store) = (behind.registry.clone(), behind.sessions.clone());
        let list = async move |session: AuthSession| {
            let Ok(ids) = registry.active_sessions(&user_of(&session).await?).await;
            let mut lines = String::new();
            for id in ids {
                let data = store.load(&id).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
                let Some(data) = data else { continue };
                let seen = data.touched_at.map(|at| at.to_string()).unwrap_or_default();
                // With the feature `device` this is the id of a `Device`, which has no name: "Identifying
                // metadata … is deliberately not carried on `Device`" (`axess_core::device`).
                let device = data.device_id.map(|id| id.to_string()).unwrap_or_default();
                writeln!(lines, "{seen}\t{device}").expect("a string takes it");
            }
            Ok::<_, StatusCode>(lines)
        };
        let whoami =
            async |session: AuthSession| user_of(&session).await.map(|user| user.to_string());
        Router::new()
            .route("/", get(whoami))
            .route("/sign-in/{user}", get(sign_in))
            .route("/sign-out", get(async |session: AuthSession| session.clear().await))
            .route("/slow", get(slow))
            .route("/everywhere-else", get(everywhere_else))
            .route("/sessions", get(list))
            .layer(layer)
    }
}

async fn user_of(session: &AuthSession) -> Result<UserId, StatusCode> {
    session.user_id().await.ok_or(StatusCode::UNAUTHORIZED)
}

/// The registry knows the sessions of each user. It answers while the store of sessions fails.
struct Behind {
    sessions: Metered,
    registry: MemorySessionRegistry,
}

#[derive(Clone)]
struct Metered {
    meter: Meter,
    sessions: MemorySessionStore,
}

/// A store in memory does not fail.
fn certain<T>(answer: Result<T, Infallible>) -> T {
    let Ok(answer) = answer;
    answer
}

impl SessionStore for Metered {
    type Error = Broken;

    async fn load(&self, id: &SessionId) -> Result<Option<SessionData>, Broken> {
        self.meter.read()?;
        Ok(certain(self.sessions.load(id).await))
    }

    async fn save(&self, id: &SessionId, data: &SessionData, ttl: Duration) -> Result<(), Broken> {
        self.meter.write()?;
        certain(self.sessions.save(id, data, ttl).await);
        Ok(())
    }

    async fn delete(&self, id: &SessionId) -> Result<(), Broken> {
        self.meter.write()?;
        certain(self.sessions.delete(id).await);
        Ok(())
    }

    async fn update(
        &self,
        id: &SessionId,
        data: &SessionData,
        ttl: Duration,
    ) -> Result<bool, Broken> {
        self.meter.write()?;
        Ok(certain(self.sessions.update(id, data, ttl).await))
    }

    async fn update_if_revision(
        &self,
        id: &SessionId,
        expected: u64,
        data: &SessionData,
        ttl: Duration,
    ) -> Result<ConditionalUpdate, Broken> {
        self.meter.write()?;
        Ok(certain(self.sessions.update_if_revision(id, expected, data, ttl).await))
    }

    async fn cycle(
        &self,
        old: &SessionId,
        new: &SessionId,
        data: &SessionData,
        ttl: Duration,
        require_old: bool,
    ) -> Result<CycleOutcome, Broken> {
        self.meter.write()?;
        Ok(certain(self.sessions.cycle(old, new, data, ttl, require_old).await))
    }

    async fn prune_expired(&self) -> Result<u64, Broken> {
        self.meter.write()?;
        Ok(certain(self.sessions.prune_expired().await))
    }
}
