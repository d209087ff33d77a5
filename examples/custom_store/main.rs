//! A store of one's own, with an app that uses it. Sessions are kept in the folder `sessions`, and the
//! key that signs their cookies in `curfew.key`, both in the working directory.
//!
//! ```text
//! cargo run --example custom_store
//! ```
//!
//! Then talk to it with curl. Start it anew in between, and `ada` is still signed in:
//!
//! ```text
//! $ curl -sc jar -X POST localhost:3000/login/ada
//! $ curl -sb jar localhost:3000
//! ada, since 2026-…
//! $ curl -sb jar -X POST localhost:3000/logout
//! $ curl -sb jar localhost:3000
//! {"title":"sign in to continue","status":401,"reason":"revoked","login_url":"/login"}
//! ```
//!
//! `store.rs` is the store, all of it; `tests.rs` shows that it keeps the contract.

mod store;
#[cfg(test)]
mod tests;

use std::env;

use anyhow::Context;
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tower_curfew::{ClientInfo, Curfew, Error, Keyring, NewSession, Session, SetCookie};
use tower_http::csrf::CsrfLayer;

use store::FolderStore;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells where it listens")]
async fn main() -> anyhow::Result<()> {
    let store =
        FolderStore::open("sessions".as_ref()).context("cannot open the folder `sessions`")?;
    let curfew = Curfew::builder(store, Keyring::load_or_create("curfew.key")?).build()?;

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}; set ADDR to listen elsewhere"))?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(&curfew)).await?;
    Ok(())
}

fn app(curfew: &Curfew) -> Router {
    Router::new()
        .route("/", get(async |session: Session| who(&session)))
        // A real app asks for a password here.
        .route("/login/{user}", post(sign_in))
        .route("/logout", post(sign_out))
        .layer(curfew.layer())
        // Other sites must not make a browser sign in or out.
        .layer(CsrfLayer::new())
}

fn who(session: &Session) -> String {
    format!("{}, since {}\n", session.user(), session.created_at())
}

async fn sign_in(
    curfew: Curfew,
    client: ClientInfo,
    Path(user): Path<String>,
) -> Result<SetCookie, Error> {
    curfew.start(NewSession::for_user(user), &client).await
}

async fn sign_out(session: Session, curfew: Curfew) -> Result<SetCookie, Error> {
    curfew.end(&session).await
}
