//! With tower-curfew for who is signed in. tower-sessions stays for the cart and the message.

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use shared::{Failure, SignIn, pages, serve};
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, ReturnTo, Session};
use tower_sessions::{MemoryStore, Session as Visitor, SessionManagerLayer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let store = tower_curfew::store::MemoryStore::new();
    let curfew = Curfew::builder(store, Keyring::load_or_create("curfew.key")?).build()?;
    serve(app(MemoryStore::default(), curfew)).await
}

pub(crate) fn app(store: MemoryStore, curfew: Curfew) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/cart", post(add_to_cart))
        .route("/login", get(pages::login).post(sign_in))
        .route("/logout", post(sign_out))
        .layer(SessionManagerLayer::new(store))
        .layer(curfew.layer())
}

async fn home(session: Session, visitor: Visitor) -> Result<Response, Failure> {
    let flash = visitor.remove::<String>("flash").await?;
    let cart = visitor.get("cart").await?.unwrap_or(0);
    Ok(pages::home(session.user(), flash.as_deref(), cart))
}

async fn add_to_cart(_: Session, visitor: Visitor) -> Result<Redirect, Failure> {
    let cart = visitor.get("cart").await?.unwrap_or(0);
    visitor.insert("cart", cart + 1).await?;
    Ok(Redirect::to("/"))
}

async fn sign_in(
    curfew: Curfew,
    client: ClientInfo,
    back: ReturnTo,
    visitor: Visitor,
    Form(form): Form<SignIn>,
) -> Result<Response, Failure> {
    if !form.is_right() {
        return Ok(pages::wrong_password());
    }
    visitor.flush().await?; // the cart of the user before
    visitor.insert("flash", "You are signed in.").await?;
    let cookie = curfew.start(NewSession::for_user(form.username), &client).await?;
    Ok((cookie, back.or("/")).into_response())
}

async fn sign_out(session: Session, curfew: Curfew, visitor: Visitor) -> Result<Response, Failure> {
    let cookie = curfew.end(&session).await?;
    visitor.flush().await?;
    Ok((cookie, Redirect::to("/login")).into_response())
}
