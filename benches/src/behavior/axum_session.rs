//! axum_session, with signed cookies, over a database. Without one a process that starts again knows no
//! session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum_session::{
    DatabaseError, DatabasePool, Key, Session, SessionConfig, SessionLayer, SessionStore,
};
use time::{Duration, OffsetDateTime};

use super::checks::{self, Library, Settings, Shortening, not_offered};
use super::meter::{Broken, Meter};
use super::table::Column;

pub async fn column() -> Column {
    Column {
        library: "axum_session",
        sign_out_stays: checks::sign_out_stays::<AxumSession>().await,
        // `DatabasePool` finds a session by its id alone; `SessionStore::clear_store` ends those of all
        // users.
        ends_all_others: not_offered(),
        both_timeouts: checks::both_timeouts::<AxumSession>().await,
        store_fails: checks::store_fails::<AxumSession>().await,
        forged_cookie: checks::forged_cookie::<AxumSession>().await,
        writes_of_100_requests: checks::writes_of_100_requests::<AxumSession>().await,
        shortened: checks::shortened_by::<AxumSession>(Shortening::Restart).await,
        // `DatabasePool::get_ids` gives the ids of all users, and `Session::count` a number.
        users_list_sessions: not_offered(),
    }
}

struct AxumSession;

impl Library for AxumSession {
    type Store = Database;

    fn store(meter: Meter) -> Database {
        Database { meter, rows: Arc::default() }
    }

    async fn node(database: &Database, settings: Settings) -> Router {
        let mut config = SessionConfig::default().with_key(Key::from(&settings.key));
        if let Some(idle) = settings.timeouts.idle {
            let idle = Duration::try_from(idle).expect("not that long");
            // A session in memory does not expire before this, which should be less than the lifetime.
            config = config.with_lifetime(idle).with_memory_lifetime(idle / 2);
        }
        if let Some(absolute) = settings.timeouts.absolute {
            config = config.with_max_lifetime(absolute.try_into().expect("not that long"));
        }
        let store = SessionStore::new(Some(database.clone()), config).await.expect("it works");
        let sign_in = async |Path(user): Path<String>, session: Session<Database>| {
            session.set("user", user);
        };
        let barrier = settings.barrier;
        let slow = async move |session: Session<Database>| {
            let user = user_of(&session)?;
            barrier.wait().await;
            barrier.wait().await;
            session.set("seen", user);
            Ok::<_, StatusCode>(())
        };
        Router::new()
            .route("/", get(async |session: Session<Database>| user_of(&session)))
            .route("/sign-in/{user}", get(sign_in))
            .route("/sign-out", get(async |session: Session<Database>| session.destroy()))
            .route("/slow", get(slow))
            .layer(SessionLayer::new(store))
    }
}

fn user_of(session: &Session<Database>) -> Result<String, StatusCode> {
    session.get("user").ok_or(StatusCode::UNAUTHORIZED)
}

/// A table of sessions as the trait describes it: the text of each, and when it expires.
#[derive(Clone, Debug)]
struct Database {
    meter: Meter,
    rows: Arc<Mutex<HashMap<String, (String, i64)>>>,
}

impl Database {
    fn with_rows<T>(&self, work: impl FnOnce(&mut HashMap<String, (String, i64)>) -> T) -> T {
        let mut rows = self.rows.lock().expect("nobody panics with it");
        rows.retain(|_, (_, expires)| OffsetDateTime::now_utc().unix_timestamp() < *expires);
        work(&mut rows)
    }
}

fn broken(broken: Broken) -> DatabaseError {
    DatabaseError::GenericAcquire(broken.to_string())
}

#[async_trait]
impl DatabasePool for Database {
    async fn initiate(&self, _table: &str) -> Result<(), DatabaseError> {
        Ok(())
    }

    async fn count(&self, _table: &str) -> Result<i64, DatabaseError> {
        self.meter.read().map_err(broken)?;
        Ok(self.with_rows(|rows| rows.len() as i64))
    }

    async fn store(
        &self,
        id: &str,
        session: &str,
        expires: i64,
        _table: &str,
    ) -> Result<(), DatabaseError> {
        self.meter.write().map_err(broken)?;
        self.with_rows(|rows| rows.insert(id.to_owned(), (session.to_owned(), expires)));
        Ok(())
    }

    async fn load(&self, id: &str, _table: &str) -> Result<Option<String>, DatabaseError> {
        self.meter.read().map_err(broken)?;
        Ok(self.with_rows(|rows| rows.get(id).map(|(session, _)| session.clone())))
    }

    async fn delete_one_by_id(&self, id: &str, _table: &str) -> Result<(), DatabaseError> {
        self.meter.write().map_err(broken)?;
        self.with_rows(|rows| rows.remove(id));
        Ok(())
    }

    async fn exists(&self, id: &str, _table: &str) -> Result<bool, DatabaseError> {
        self.meter.read().map_err(broken)?;
        Ok(self.with_rows(|rows| rows.contains_key(id)))
    }

    /// Each call deletes them.
    async fn delete_by_expiry(&self, _table: &str) -> Result<Vec<String>, DatabaseError> {
        self.meter.write().map_err(broken)?;
        Ok(Vec::new())
    }

    async fn delete_all(&self, _table: &str) -> Result<(), DatabaseError> {
        self.meter.write().map_err(broken)?;
        self.with_rows(HashMap::clear);
        Ok(())
    }

    async fn get_ids(&self, _table: &str) -> Result<Vec<String>, DatabaseError> {
        self.meter.read().map_err(broken)?;
        Ok(self.with_rows(|rows| rows.keys().cloned().collect()))
    }

    fn auto_handles_expiry(&self) -> bool {
        true
    }
}
