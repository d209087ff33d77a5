//! With axum_session: the user, the cart and the message are all in its session.

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_session::{Key, SessionConfig, SessionLayer, SessionNullPool, SessionStore};
use shared::{SignIn, pages, serve};

type Session = axum_session::Session<SessionNullPool>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = SessionConfig::default().with_secure(true).with_key(Key::generate());
    let store = SessionStore::<SessionNullPool>::new(None, config).await?;
    let app = Router::new()
        .route("/", get(home))
        .route("/cart", post(add_to_cart))
        .route("/login", get(pages::login).post(sign_in))
        .route("/logout", post(sign_out))
        .layer(SessionLayer::new(store));
    serve(app).await
}

async fn home(session: Session) -> Response {
    let Some(user) = session.get::<String>("user") else {
        return Redirect::to("/login").into_response();
    };
    let flash = session.get_remove::<String>("flash");
    let cart = session.get("cart").unwrap_or(0);
    pages::home(&user, flash.as_deref(), cart)
}

async fn add_to_cart(session: Session) -> Redirect {
    if session.get::<String>("user").is_none() {
        return Redirect::to("/login");
    }
    session.set("cart", session.get("cart").unwrap_or(0) + 1);
    Redirect::to("/")
}

async fn sign_in(session: Session, Form(form): Form<SignIn>) -> Response {
    if !form.is_right() {
        return pages::wrong_password();
    }
    session.renew();
    session.set("user", form.username);
    session.set("flash", "You are signed in.");
    Redirect::to("/").into_response()
}

async fn sign_out(session: Session) -> Redirect {
    session.destroy();
    Redirect::to("/login")
}
