//! What the programs here share: a login, a server, and how tests talk to an app.

mod login;
pub mod testing;
#[path = "../../users.rs"]
mod users;

use std::env;
use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;

pub use login::login_routes;

/// Whether there is such a user with this password.
pub fn is_password_of(username: &str, password: &str) -> bool {
    users::check(username, password)
}

/// Serves an app at port 3000 of this machine, or at the address in `ADDR`.
///
/// # Errors
///
/// If the address cannot be listened on.
#[expect(clippy::print_stdout, reason = "tells where it listens")]
pub async fn serve(app: Router) -> anyhow::Result<()> {
    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}; set ADDR to listen elsewhere"))?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
