//! With tower-curfew and axum. Cart and message are in cookies that the app encrypts.

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_extra::extract::cookie::{Key, PrivateCookieJar as Jar};
use shared::{SignIn, own_cookie, pages, serve};
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, Error, Keyring, NewSession, ReturnTo, Session};

const CART: &str = "__Host-cart";
const FLASH: &str = "__Host-flash";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build()?;
    let app = Router::new()
        .route("/", get(home))
        .route("/cart", post(add_to_cart))
        .route("/login", get(pages::login).post(sign_in))
        .route("/logout", post(sign_out))
        .layer(curfew.layer())
        .with_state(Key::generate());
    serve(app).await
}

async fn home(session: Session, jar: Jar) -> Response {
    let flash = jar.get(FLASH);
    let flash = flash.as_ref().map(|cookie| cookie.value());
    let page = pages::home(session.user(), flash, count(&jar));
    (jar.remove(own_cookie(FLASH, "")), page).into_response()
}

async fn add_to_cart(_: Session, jar: Jar) -> (Jar, Redirect) {
    let count = count(&jar) + 1;
    (jar.add(own_cookie(CART, count)), Redirect::to("/"))
}

async fn sign_in(
    (curfew, client, back): (Curfew, ClientInfo, ReturnTo),
    jar: Jar,
    Form(form): Form<SignIn>,
) -> Result<Response, Error> {
    if !form.is_right() {
        return Ok(pages::wrong_password());
    }
    let jar = jar.remove(own_cookie(CART, "")).add(own_cookie(FLASH, "You are signed in."));
    let cookie = curfew.start(NewSession::for_user(form.username), &client).await?;
    Ok((cookie, jar, back.or("/")).into_response())
}

async fn sign_out(session: Session, curfew: Curfew, jar: Jar) -> Result<Response, Error> {
    let cookie = curfew.end(&session).await?;
    Ok((cookie, jar.remove(own_cookie(CART, "")), Redirect::to("/login")).into_response())
}

fn count(jar: &Jar) -> u32 {
    jar.get(CART).and_then(|cookie| cookie.value().parse().ok()).unwrap_or(0)
}
