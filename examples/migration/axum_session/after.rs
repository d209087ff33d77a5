//! With tower-curfew for who is signed in. The cart is in a table of the app's, the message in a cookie.

mod carts;

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Router};
use axum_extra::extract::cookie::{Key, SignedCookieJar as Jar};
use carts::Carts;
use shared::{SignIn, own_cookie, pages, serve};
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, Error, Keyring, NewSession, ReturnTo, Session, SetCookie};

const FLASH: &str = "__Host-flash";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let carts = Carts::default();
    let curfew = Curfew::builder(MemoryStore::new(), Keyring::load_or_create("curfew.key")?)
        .on_event(carts.clone().deleted_by_events())
        .build()?;
    let app = Router::new()
        .route("/", get(home))
        .route("/cart", post(add_to_cart))
        .route("/login", get(pages::login).post(sign_in))
        .route("/logout", post(sign_out))
        .layer(curfew.layer())
        .layer(Extension(carts))
        .with_state(Key::generate());
    serve(app).await
}

async fn home(session: Session, Extension(carts): Extension<Carts>, jar: Jar) -> Response {
    let flash = jar.get(FLASH);
    let flash = flash.as_ref().map(|cookie| cookie.value());
    let page = pages::home(session.user(), flash, carts.count(session.id()));
    (jar.remove(own_cookie(FLASH, "")), page).into_response()
}

async fn add_to_cart(session: Session, Extension(carts): Extension<Carts>) -> Redirect {
    carts.add(session.id());
    Redirect::to("/")
}

async fn sign_in(
    (curfew, client, back): (Curfew, ClientInfo, ReturnTo),
    jar: Jar,
    Form(form): Form<SignIn>,
) -> Result<Response, Error> {
    if !form.is_right() {
        return Ok(pages::wrong_password());
    }
    let jar = jar.add(own_cookie(FLASH, "You are signed in."));
    let cookie = curfew.start(NewSession::for_user(form.username), &client).await?;
    Ok((cookie, jar, back.or("/")).into_response())
}

async fn sign_out(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Error> {
    Ok((curfew.end(&session).await?, Redirect::to("/login")))
}
