//! With tower-curfew for who is signed in. tower-sessions stays for the cart; the message is a cookie.

mod users;

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_extra::extract::cookie::{Key, SignedCookieJar as Jar};
use shared::{Failure, SignIn, own_cookie, pages, serve};
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, ReturnTo, Session};
use tower_sessions::{MemoryStore, Session as Visitor, SessionManagerLayer};
use users::User;

const FLASH: &str = "__Host-flash";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let store = tower_curfew::store::MemoryStore::new();
    let curfew = Curfew::builder(store, Keyring::load_or_create("curfew.key")?).build()?;
    let app = Router::new()
        .route("/", get(home))
        .route("/cart", post(add_to_cart))
        .route("/logout", post(sign_out))
        .route("/login", get(pages::login).post(sign_in))
        .layer(SessionManagerLayer::new(MemoryStore::default()))
        .layer(curfew.layer().required())
        .with_state(Key::generate());
    serve(app).await
}

async fn home(user: User, visitor: Visitor, jar: Jar) -> Result<Response, Failure> {
    let flash = jar.get(FLASH);
    let cart = visitor.get("cart").await?.unwrap_or(0);
    let page = pages::home(&user.0, flash.as_ref().map(|cookie| cookie.value()), cart);
    Ok((jar.remove(own_cookie(FLASH, "")), page).into_response())
}

async fn add_to_cart(visitor: Visitor) -> Result<Redirect, Failure> {
    let cart = visitor.get("cart").await?.unwrap_or(0);
    visitor.insert("cart", cart + 1).await?;
    Ok(Redirect::to("/"))
}

async fn sign_in(
    (curfew, client, back): (Curfew, ClientInfo, ReturnTo),
    (visitor, jar): (Visitor, Jar),
    Form(form): Form<SignIn>,
) -> Result<Response, Failure> {
    if !form.is_right() {
        return Ok(pages::wrong_password());
    }
    visitor.flush().await?; // the cart of the user before
    let jar = jar.add(own_cookie(FLASH, "You are signed in."));
    let cookie = curfew.start(NewSession::for_user(form.username), &client).await?;
    Ok((cookie, jar, back.or("/")).into_response())
}

async fn sign_out(session: Session, curfew: Curfew, visitor: Visitor) -> Result<Response, Failure> {
    let cookie = curfew.end(&session).await?;
    visitor.flush().await?;
    Ok((cookie, Redirect::to("/login")).into_response())
}
