//! axum-login, on the version of tower-sessions that it is for, with signed cookies.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum_login::tower_sessions::cookie::Key;
use axum_login::tower_sessions::session::{Id, Record};
use axum_login::tower_sessions::session_store::{Error as StoreError, Result as StoreResult};
use axum_login::tower_sessions::{Expiry, MemoryStore, SessionManagerLayer, SessionStore};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend};
use time::OffsetDateTime;

use super::checks::{self, Library, Settings, Shortening, not_offered};
use super::meter::{Broken, Meter};
use super::table::Column;

pub async fn column() -> Column {
    Column {
        library: "axum-login",
        sign_out_stays: checks::sign_out_stays::<AxumLogin>().await,
        // The app changes what `AuthUser::session_auth_hash` returns, which is for a new password.
        ends_all_others: checks::ends_all_others::<AxumLogin>("by a new password").await,
        // Those of tower-sessions: `Expiry` is either of the two.
        both_timeouts: checks::either_timeout::<AxumLogin>().await,
        store_fails: checks::store_fails::<AxumLogin>().await,
        forged_cookie: checks::forged_cookie::<AxumLogin>().await,
        writes_of_100_requests: checks::writes_of_100_requests::<AxumLogin>().await,
        shortened: checks::shortened_by::<AxumLogin>(Shortening::Restart).await,
        // `SessionStore` of tower-sessions finds a session by its id alone, and `AuthnBackend` knows
        // users only.
        users_list_sessions: not_offered(),
    }
}

type AuthSession = axum_login::AuthSession<Users>;

struct AxumLogin;

impl Library for AxumLogin {
    type Store = Behind;

    fn store(meter: Meter) -> Behind {
        let sessions = Metered { meter, sessions: MemoryStore::default() };
        Behind { sessions, users: Users::default() }
    }

    async fn node(behind: &Behind, settings: Settings) -> Router {
        let layer = SessionManagerLayer::new(behind.sessions.clone())
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
        let sign_in = async move |Path(user): Path<String>, mut auth: AuthSession| {
            if let Some(absolute) = absolute {
                let end = OffsetDateTime::now_utc() + absolute;
                auth.session.set_expiry(Some(Expiry::AtDateTime(end)));
            }
            let user = auth.backend.user(&user);
            auth.login(&user).await.map_err(unavailable)
        };
        let barrier = settings.barrier;
        let slow = async move |auth: AuthSession| {
            let user = auth.user.ok_or(StatusCode::UNAUTHORIZED)?;
            barrier.wait().await;
            barrier.wait().await;
            auth.session.insert("seen", user.name).await.map_err(unavailable)
        };
        let sign_out =
            async |mut auth: AuthSession| auth.logout().await.map(drop).map_err(unavailable);
        let whoami = async |auth: AuthSession| {
            auth.user.map(|user| user.name).ok_or(StatusCode::UNAUTHORIZED)
        };
        Router::new()
            .route("/", get(whoami))
            .route("/sign-in/{user}", get(sign_in))
            .route("/sign-out", get(sign_out))
            .route("/slow", get(slow))
            .route("/everywhere-else", get(change_password))
            .layer(AuthManagerLayerBuilder::new(behind.users.clone(), layer).build())
    }
}

/// The login with the new hash keeps the session that asks.
async fn change_password(mut auth: AuthSession) -> Result<(), StatusCode> {
    let user = auth.user.take().ok_or(StatusCode::UNAUTHORIZED)?;
    let user = auth.backend.with_new_password(&user.name);
    auth.login(&user).await.map_err(unavailable)
}

/// The error of the library is not a response.
fn unavailable<E>(_: E) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

/// The store of sessions, and the table of users, which is the app's.
struct Behind {
    sessions: Metered,
    users: Users,
}

#[derive(Clone, Debug)]
struct User {
    name: String,
    hash: [u8; 8],
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.name.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.hash
    }
}

/// Any name is a user. The number says how often the user has changed the password.
#[derive(Clone, Debug, Default)]
struct Users(Arc<Mutex<HashMap<String, u64>>>);

impl Users {
    fn user(&self, name: &str) -> User {
        let users = self.0.lock().expect("nobody panics with it");
        let passwords = users.get(name).copied().unwrap_or_default();
        User { name: name.to_owned(), hash: passwords.to_le_bytes() }
    }

    fn with_new_password(&self, name: &str) -> User {
        *self.0.lock().expect("nobody panics with it").entry(name.to_owned()).or_default() += 1;
        self.user(name)
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = String;
    type Error = Infallible;

    async fn authenticate(&self, name: String) -> Result<Option<User>, Infallible> {
        Ok(Some(self.user(&name)))
    }

    async fn get_user(&self, name: &String) -> Result<Option<User>, Infallible> {
        Ok(Some(self.user(name)))
    }
}

/// As for tower-sessions, but the trait is that of another version.
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
