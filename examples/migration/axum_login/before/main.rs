//! With axum-login for who is signed in. Cart and message are in the session that it is built upon.

mod users;

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_login::tower_sessions::{MemoryStore, Session, SessionManagerLayer};
use axum_login::{AuthManagerLayerBuilder, login_required};
use shared::{Failure, SignIn, pages, serve};
use users::{User, Users};

type AuthSession = axum_login::AuthSession<Users>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let app = Router::new()
        .route("/", get(home))
        .route("/cart", post(add_to_cart))
        .route("/logout", post(sign_out))
        .route_layer(login_required!(Users, login_url = "/login"))
        .route("/login", get(pages::login).post(sign_in))
        .layer(AuthManagerLayerBuilder::new(Users, sessions).build());
    serve(app).await
}

async fn home(auth: AuthSession, session: Session) -> Result<Response, Failure> {
    let Some(User(user)) = auth.user else {
        return Ok(Redirect::to("/login").into_response());
    };
    let flash = session.remove::<String>("flash").await?;
    let cart = session.get("cart").await?.unwrap_or(0);
    Ok(pages::home(&user, flash.as_deref(), cart))
}

async fn add_to_cart(session: Session) -> Result<Redirect, Failure> {
    let cart = session.get("cart").await?.unwrap_or(0);
    session.insert("cart", cart + 1).await?;
    Ok(Redirect::to("/"))
}

async fn sign_in(
    mut auth: AuthSession,
    session: Session,
    Form(form): Form<SignIn>,
) -> Result<Response, Failure> {
    let Some(user) = auth.authenticate(form).await? else {
        return Ok(pages::wrong_password());
    };
    auth.login(&user).await?;
    session.insert("flash", "You are signed in.").await?;
    Ok(Redirect::to("/").into_response())
}

async fn sign_out(mut auth: AuthSession) -> Result<Redirect, Failure> {
    auth.logout().await?;
    Ok(Redirect::to("/login"))
}
