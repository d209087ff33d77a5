//! With tower-sessions: the user, the cart and the message are all in its session.

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use shared::{Failure, SignIn, pages, serve};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    serve(app(MemoryStore::default())).await
}

pub(crate) fn app(store: MemoryStore) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/cart", post(add_to_cart))
        .route("/login", get(pages::login).post(sign_in))
        .route("/logout", post(sign_out))
        .layer(SessionManagerLayer::new(store))
}

async fn home(session: Session) -> Result<Response, Failure> {
    let Some(user) = session.get::<String>("user").await? else {
        return Ok(Redirect::to("/login").into_response());
    };
    let flash = session.remove::<String>("flash").await?;
    let cart = session.get("cart").await?.unwrap_or(0);
    Ok(pages::home(&user, flash.as_deref(), cart))
}

async fn add_to_cart(session: Session) -> Result<Redirect, Failure> {
    if session.get::<String>("user").await?.is_none() {
        return Ok(Redirect::to("/login"));
    }
    let cart = session.get("cart").await?.unwrap_or(0);
    session.insert("cart", cart + 1).await?;
    Ok(Redirect::to("/"))
}

async fn sign_in(session: Session, Form(form): Form<SignIn>) -> Result<Response, Failure> {
    if !form.is_right() {
        return Ok(pages::wrong_password());
    }
    session.cycle_id().await?;
    session.insert("user", form.username).await?;
    session.insert("flash", "You are signed in.").await?;
    Ok(Redirect::to("/").into_response())
}

async fn sign_out(session: Session) -> Result<Redirect, Failure> {
    session.flush().await?;
    Ok(Redirect::to("/login"))
}
