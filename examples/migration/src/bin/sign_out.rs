//! A user signs out while a slow request of theirs is under way. Does the old cookie still sign in?

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::routing::get;
use axum::{Extension, Router, body::Body};
use shared::Failure;
use tokio::sync::Barrier;
use tower::ServiceExt as _;
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, Session, store::MemoryStore};
use tower_sessions::{Session as Data, SessionManagerLayer};

type Turn = Extension<Arc<Barrier>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let home = async |data: Data| match data.get::<String>("user").await {
        Ok(Some(_)) => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    };
    let slow = async |data: Data, Extension(turn): Turn| {
        let cart = data.get("cart").await?.unwrap_or(0);
        turn.wait().await;
        turn.wait().await;
        data.insert("cart", cart + 1).await.map_err(Failure::from)
    };
    let sign_in = async |data: Data| data.insert("user", "ada").await.map_err(Failure::from);
    let sign_out = async |data: Data| data.flush().await.map_err(Failure::from);
    let app = Router::new().route("/", get(home)).route("/slow", get(slow));
    let app = app.route("/login", get(sign_in)).route("/logout", get(sign_out));
    let layer = SessionManagerLayer::new(tower_sessions::MemoryStore::default());
    tell("tower-sessions", app.layer(layer)).await?;

    let home = async |_: Session| StatusCode::OK;
    let slow = async |session: Session, curfew: Curfew, Extension(turn): Turn| {
        turn.wait().await;
        turn.wait().await;
        curfew.rotate(&session).await
    };
    let sign_in = async |curfew: Curfew, client: ClientInfo| {
        curfew.start(NewSession::for_user("ada"), &client).await
    };
    let sign_out = async |session: Session, curfew: Curfew| curfew.end(&session).await;
    let app = Router::new().route("/", get(home)).route("/slow", get(slow));
    let app = app.route("/login", get(sign_in)).route("/logout", get(sign_out));
    let curfew = Curfew::builder(MemoryStore::new(), Keyring::from_bytes([7; 32])?).build()?;
    tell("tower-curfew", app.layer(curfew.layer())).await
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
async fn tell(name: &str, app: Router) -> anyhow::Result<()> {
    let turn = Arc::new(Barrier::new(2));
    let app = app.layer(Extension(turn.clone()));
    let send = |path: &str, cookie: &str| {
        let request = Request::get(path).header(COOKIE, cookie).body(Body::empty());
        app.clone().oneshot(request.expect("a path and a cookie"))
    };
    let signed_in = send("/login", "none=").await?;
    let cookie = signed_in.headers()[SET_COOKIE].to_str()?.split(';').next().unwrap_or_default();
    let slow = tokio::spawn(send("/slow", cookie));
    turn.wait().await; // The layer has admitted it.
    let signed_out = send("/logout", cookie).await?.status();
    turn.wait().await; // Only now it writes.
    println!("{name}: signed out: {signed_out}, slow request: {}", slow.await??.status());
    println!("{name}: the old cookie once more: {}", send("/", cookie).await?.status());
    Ok(())
}
