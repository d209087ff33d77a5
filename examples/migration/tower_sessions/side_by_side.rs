//! Between the two: sessions of tower-sessions still sign in, and new sign-ins start one of tower-curfew.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use shared::{Failure, SignIn, pages, serve};
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, Presence, ReturnTo, Session};
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

/// Who is signed in, by whichever of the two.
struct User(String);

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let presence = Presence::from_request_parts(parts, state).await?;
        // Not where a session has ended: what is left of an older one must not take its place.
        if matches!(presence, Presence::Anonymous)
            && let Some(user) = old_user(parts).await?
        {
            return Ok(Self(user));
        }
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Self(session.user().to_owned()))
    }
}

/// The one of the old session.
async fn old_user(parts: &mut Parts) -> Result<Option<String>, Response> {
    let visitor = Visitor::from_request_parts(parts, &()).await;
    let visitor = visitor.map_err(IntoResponse::into_response)?;
    visitor.get("user").await.map_err(|error| Failure::from(error).into_response())
}

async fn home(User(user): User, visitor: Visitor) -> Result<Response, Failure> {
    let flash = visitor.remove::<String>("flash").await?;
    let cart = visitor.get("cart").await?.unwrap_or(0);
    Ok(pages::home(&user, flash.as_deref(), cart))
}

async fn add_to_cart(_: User, visitor: Visitor) -> Result<Redirect, Failure> {
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
    visitor.flush().await?; // the cart of the user before, and their old session
    visitor.insert("flash", "You are signed in.").await?;
    let cookie = curfew.start(NewSession::for_user(form.username), &client).await?;
    Ok((cookie, back.or("/")).into_response())
}

async fn sign_out(
    session: Option<Session>,
    curfew: Curfew,
    visitor: Visitor,
) -> Result<Response, Failure> {
    visitor.flush().await?; // an old session, too
    let to_login = Redirect::to("/login");
    match session {
        Some(session) => Ok((curfew.end(&session).await?, to_login).into_response()),
        None => Ok(to_login.into_response()),
    }
}
