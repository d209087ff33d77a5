//! axum-login on tower-sessions with signed cookies, in memory. Its users come from nowhere: a table
//! of users would be measured, too.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum_login::tower_sessions::cookie::Key;
use axum_login::tower_sessions::{Expiry, MemoryStore, SessionManagerLayer};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use time::Duration;

pub fn app() -> Router {
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_signed(Key::from(&[7; 64]))
        .with_expiry(Expiry::OnInactivity(Duration::days(28)));
    let layer = AuthManagerLayerBuilder::new(Everybody, sessions).build();
    let sign_in = get(async |Path(user): Path<String>, mut session: AuthSession<Everybody>| {
        session.login(&User(user)).await.expect("a store");
    });
    let whoami = get(async |session: AuthSession<Everybody>| match session.user {
        Some(User(name)) => Ok(name),
        None => Err(StatusCode::UNAUTHORIZED),
    });
    Router::new().route("/", whoami).route("/sign-in/{user}", sign_in).layer(layer)
}

#[derive(Clone, Debug)]
struct User(String);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"a hash of a password, as long as one is"
    }
}

#[derive(Clone, Debug)]
struct Everybody;

impl AuthnBackend for Everybody {
    type User = User;
    type Credentials = String;
    type Error = Infallible;

    async fn authenticate(&self, user: String) -> Result<Option<User>, Infallible> {
        Ok(Some(User(user)))
    }

    async fn get_user(&self, user: &String) -> Result<Option<User>, Infallible> {
        Ok(Some(User(user.clone())))
    }
}
