//! What the apps have in common, before and after: users, pages, and where they listen.

mod failure;
pub mod pages;

use std::env;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use axum::Router;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;
use tower_http::csrf::CsrfLayer;

pub use self::failure::Failure;

/// What the login form sends.
#[derive(Deserialize)]
pub struct SignIn {
    /// Who it claims to be.
    pub username: String,
    /// What that user alone knows.
    pub password: String,
}

impl SignIn {
    /// Whether they go together. Stands for a slow hash.
    pub fn is_right(&self) -> bool {
        is_user(&self.username) && self.password == "lovelace"
    }
}

/// Whether there is such a user. Stands for your table of users.
pub fn is_user(name: &str) -> bool {
    ["ada", "grace"].contains(&name)
}

/// A cookie of the app's own, until the browser is closed. With no value it is what to remove.
pub fn own_cookie(name: &'static str, value: impl ToString) -> Cookie<'static> {
    Cookie::build((name, value.to_string()))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .build()
}

/// Serves an axum app until it is killed. Other sites must not make a browser send its forms.
pub async fn serve(app: Router) -> anyhow::Result<()> {
    let listener = listen()?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let app = app.layer(CsrfLayer::new());
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// Listens on `ADDR`, and says so.
#[expect(clippy::print_stdout, reason = "tells where it listens")]
pub fn listen() -> anyhow::Result<TcpListener> {
    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .with_context(|| format!("cannot listen on {address}; set ADDR to listen elsewhere"))?;
    println!("listening on http://{}, sign in as ada with lovelace", listener.local_addr()?);
    Ok(listener)
}
