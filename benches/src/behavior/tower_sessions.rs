//! tower-sessions, with signed cookies, in its latest version.

use async_trait::async_trait;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use time::OffsetDateTime;
use tower_sessions_latest::cookie::Key;
use tower_sessions_latest::session::{Error, Id, Record};
use tower_sessions_latest::session_store::{Error as StoreError, Result as StoreResult};
use tower_sessions_latest::{Expiry, MemoryStore, Session, SessionManagerLayer, SessionStore};

use super::checks::{self, Library, Settings, Shortening, not_offered};
use super::meter::{Broken, Meter};
use super::table::Column;

pub async fn column() -> Column {
    Column {
        library: "tower-sessions",
        sign_out_stays: checks::sign_out_stays::<TowerSessions>().await,
        // `SessionStore` finds a session by its id alone: `create`, `save`, `load`, `delete`.
        ends_all_others: not_offered(),
        // `Expiry` is either of the two.
        both_timeouts: checks::either_timeout::<TowerSessions>().await,
        store_fails: checks::store_fails::<TowerSessions>().await,
        forged_cookie: checks::forged_cookie::<TowerSessions>().await,
        writes_of_100_requests: checks::writes_of_100_requests::<TowerSessions>().await,
        shortened: checks::shortened_by::<TowerSessions>(Shortening::Restart).await,
        // See `ends_all_others`.
        users_list_sessions: not_offered(),
    }
}

struct TowerSessions;

impl Library for TowerSessions {
    type Store = Metered;

    fn store(meter: Meter) -> Metered {
        Metered { meter, sessions: MemoryStore::default() }
    }

    async fn node(store: &Metered, settings: Settings) -> Router {
        let layer = SessionManagerLayer::new(store.clone())
            .with_signed(Key::from(&settings.key))
            // Otherwise requests do not count: "Reading a session is not considered activity".
            .with_always_save(settings.timeouts.idle.is_some());
        let layer = match settings.timeouts.idle {
            Some(idle) => {
                layer.with_expiry(Expiry::OnInactivity(idle.try_into().expect("not that long")))
            }
            None => layer,
        };
        let absolute = settings.timeouts.absolute.filter(|_| settings.timeouts.idle.is_none());
        let sign_in = async move |Path(user): Path<String>, session: Session| {
            if let Some(absolute) = absolute {
                let end = OffsetDateTime::now_utc() + absolute;
                session.set_expiry(Some(Expiry::AtDateTime(end)));
            }
            session.insert("user", user).await.map_err(unavailable)
        };
        let barrier = settings.barrier;
        let slow = async move |session: Session| {
            let user = user_of(&session).await?;
            barrier.wait().await;
            barrier.wait().await;
            session.insert("seen", user).await.map_err(unavailable)
        };
        let sign_out = async |session: Session| session.flush().await.map_err(unavailable);
        Router::new()
            .route("/", get(async |session: Session| user_of(&session).await))
            .route("/sign-in/{user}", get(sign_in))
            .route("/sign-out", get(sign_out))
            .route("/slow", get(slow))
            .layer(layer)
    }
}

async fn user_of(session: &Session) -> Result<String, StatusCode> {
    session.get("user").await.map_err(unavailable)?.ok_or(StatusCode::UNAUTHORIZED)
}

/// The error of the library is not a response.
fn unavailable(_: Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

#[derive(Clone, Debug)]
struct Metered {
    meter: Meter,
    sessions: MemoryStore,
}

fn broken(broken: Broken) -> StoreError {
    StoreError::Backend(broken.to_string())
}

#[async_trait]
impl SessionStore for Metered {
    async fn create(&self, record: &mut Record) -> StoreResult<()> {
        self.meter.write().map_err(broken)?;
        self.sessions.create(record).await
    }

    async fn save(&self, record: &Record) -> StoreResult<()> {
        self.meter.write().map_err(broken)?;
        self.sessions.save(record).await
    }

    async fn load(&self, id: &Id) -> StoreResult<Option<Record>> {
        self.meter.read().map_err(broken)?;
        self.sessions.load(id).await
    }

    async fn delete(&self, id: &Id) -> StoreResult<()> {
        self.meter.write().map_err(broken)?;
        self.sessions.delete(id).await
    }
}
