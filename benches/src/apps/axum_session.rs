//! axum_session in memory, as it is by default and with signed cookies. With a database behind it, it
//! answers requests from memory too, so it is not among the stores.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum_session::{
    Key, SessionConfig, SessionLayer, SessionNullPool, SessionNullSession, SessionStore,
};

pub async fn app(signed: bool) -> Router {
    let mut config = SessionConfig::default();
    if signed {
        config = config.with_key(Key::from(&[7; 64]));
    }
    let store = SessionStore::<SessionNullPool>::new(None, config).await.expect("it needs nothing");
    let sign_in = get(async |Path(user): Path<String>, session: SessionNullSession| {
        session.set("user", user);
        session.set("org", "acme");
    });
    let whoami = get(async |session: SessionNullSession| {
        session.get::<String>("user").ok_or(StatusCode::UNAUTHORIZED)
    });
    Router::new()
        .route("/", whoami)
        .route("/sign-in/{user}", sign_in)
        .layer(SessionLayer::new(store))
}
