//! axess-core in memory; its cookies are signed always. Users are UUIDs there, of a tenant.

use axess_core::authn::{TenantId, UserId};
use axess_core::{AuthSession, Clock as _, MemorySessionStore, SessionLayer, SystemClock};
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;

pub fn app() -> Router {
    let layer = SessionLayer::new(MemorySessionStore::new(), *b"thirty-two bytes that are secret");
    let sign_in = get(async |Path(user): Path<String>, session: AuthSession| {
        let user = user.parse::<UserId>().expect("a UUID");
        let tenant = TenantId::from_bytes([1; 16]);
        session.set_authenticated(user, tenant, SystemClock.now()).await;
    });
    let whoami = get(async |session: AuthSession| {
        let known = session.snapshot().await.ok_or(StatusCode::UNAUTHORIZED)?;
        Ok::<_, StatusCode>(known.user_id.to_string())
    });
    Router::new().route("/", whoami).route("/sign-in/{user}", sign_in).layer(layer)
}
