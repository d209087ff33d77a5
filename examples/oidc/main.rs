//! Signing in at an OpenID provider, and being signed out by it: the session at the provider is
//! kept as a link of the session here, and the provider's back-channel logout ends what has that
//! link.
//!
//! A provider to try it with, which takes any name and any password, needs Node.js:
//!
//! ```text
//! npm install --prefix target/oidc-provider oidc-provider@8
//! node examples/oidc/provider.mjs
//! ```
//!
//! Then, in another terminal:
//!
//! ```text
//! cargo run --example oidc
//! ```
//!
//! Open <http://localhost:3000> in two browsers, and sign in. Sign out at the provider in one of
//! them, at <http://localhost:4000/session/end>: there the session is over, and not in the other.
//! With curl:
//!
//! ```text
//! $ curl -sH 'Accept: text/html' -w '%{http_code} %{redirect_url}\n' localhost:3000
//! 303 http://localhost:3000/login?return_to=%2F
//! $ curl -sX POST -w '%{http_code} %{redirect_url}\n' localhost:3000/login?return_to=%2F
//! 303 http://localhost:4000/auth?response_type=code&client_id=app&state=…&code_challenge=…
//! $ curl -sw '%{http_code}\n' -d logout_token=forged localhost:3000/backchannel-logout
//! 400
//! ```
//!
//! `ISSUER`, `CLIENT_ID`, `CLIENT_SECRET` and `URL` (of the app, as browsers see it) name another
//! provider. For one with `https`, give the dependency `openidconnect` the feature `rustls-tls`.
//! The routes are in `app.rs`, the protocol is in `provider.rs`.

mod app;
mod provider;
#[path = "../signals.rs"]
mod signals;
#[cfg(test)]
mod tests;

use std::env;
use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;
use tower_curfew::store::SqliteStore;
use tower_curfew::{Curfew, Keyring};

use provider::{Provider, Settings};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells where it listens")]
async fn main() -> anyhow::Result<()> {
    let store = SqliteStore::open("sessions.db").await?;
    let curfew = Curfew::builder(store, Keyring::load_or_create("curfew.key")?).build()?;
    let provider = Provider::discover(Settings {
        issuer: variable("ISSUER", "http://localhost:4000"),
        client_id: variable("CLIENT_ID", "app"),
        client_secret: variable("CLIENT_SECRET", "only for a try"),
        callback: format!("{}{}", variable("URL", "http://localhost:3000"), app::CALLBACK),
    })
    .await?;

    let address = variable("ADDR", "127.0.0.1:3000");
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}; set ADDR to listen elsewhere"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = app::app(curfew.layer(), provider);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(signals::told_to_stop()?)
        .await?;
    curfew.shutdown().await;
    Ok(())
}

fn variable(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
