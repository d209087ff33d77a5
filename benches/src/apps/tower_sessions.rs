//! tower-sessions with signed cookies: its latest version over memory, and the version that its stores
//! are for over one of those.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use time::Duration;
use tower_sessions::SessionStore;

/// As long as sessions of ours last by default.
const INACTIVE: Duration = Duration::days(28);

/// With `always_save` each request counts as activity; without, only what changes the session.
pub fn in_memory(always_save: bool) -> Router {
    use tower_sessions_latest::cookie::Key;
    use tower_sessions_latest::{Expiry, MemoryStore, Session, SessionManagerLayer};

    let layer = SessionManagerLayer::new(MemoryStore::default())
        .with_signed(Key::from(&[7; 64]))
        .with_always_save(always_save)
        .with_expiry(Expiry::OnInactivity(INACTIVE));
    let sign_in = get(async |Path(user): Path<String>, session: Session| {
        session.insert("user", user).await.expect("a store");
        session.insert("org", "acme").await.expect("a store");
    });
    let whoami = get(async |session: Session| {
        session.get::<String>("user").await.expect("a store").expect("somebody")
    });
    Router::new().route("/", whoami).route("/sign-in/{user}", sign_in).layer(layer)
}

pub fn over(store: impl SessionStore + Clone) -> Router {
    use tower_sessions::cookie::Key;
    use tower_sessions::{Expiry, Session, SessionManagerLayer};

    let layer = SessionManagerLayer::new(store)
        .with_signed(Key::from(&[7; 64]))
        .with_expiry(Expiry::OnInactivity(INACTIVE));
    let sign_in = get(async |Path(user): Path<String>, session: Session| {
        session.insert("user", user).await.expect("a store");
        session.insert("org", "acme").await.expect("a store");
    });
    let whoami = get(async |session: Session| {
        session.get::<String>("user").await.expect("a store").expect("somebody")
    });
    Router::new().route("/", whoami).route("/sign-in/{user}", sign_in).layer(layer)
}
