//! A WebSocket, a stream of events and a download that end when their session does, also if it is ended in
//! another browser. Sessions are in memory.
//!
//! ```text
//! cargo run --example live
//! ```
//!
//! Then open <http://localhost:3000> with two browsers, sign in with both as `ada` with `lovelace`, and click
//! on "Log out everywhere" in one of them.

#[expect(dead_code, reason = "other examples show the other pages")]
mod pages;
mod signals;
mod users;

use std::convert::Infallible;
use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::body::{Body, Bytes};
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::sse::Event;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use axum::{Form, Router};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::interval;
use tower_curfew::store::MemoryStore;
use tower_curfew::{
    ClientInfo, Curfew, Error, Keyring, LiveWebSocketUpgrade, NewSession, ReturnTo, Selector,
    Session, SetCookie,
};
use tower_http::csrf::CsrfLayer;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells where it listens")]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build()?;
    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}; set ADDR to listen elsewhere"))?;
    println!("listening on http://{}, sign in as ada with lovelace", listener.local_addr()?);
    axum::serve(listener, app(&curfew).into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(signals::told_to_stop()?)
        .await?;
    Ok(())
}

fn app(curfew: &Curfew) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/echo", any(echo))
        .route("/ticks", get(ticks))
        .route("/download", get(download))
        .route("/login", get(sign_in_form).post(sign_in))
        .route("/logout-everywhere", post(log_out_everywhere))
        .layer(curfew.layer())
        .layer(CsrfLayer::new())
}

async fn home(_: Session) -> Html<&'static str> {
    Html(include_str!("live.html"))
}

/// Sends back what it gets, until the session is over.
async fn echo(upgrade: LiveWebSocketUpgrade, session: Session, curfew: Curfew) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        while let Some(message) = socket.recv().await {
            // Somebody has sent it, so the session is in use.
            if curfew.touch(&session).await.is_err() || socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

/// One event a second, until the session is over.
async fn ticks(session: Session, curfew: Curfew) -> impl IntoResponse {
    let events = every_second().map(|n| Ok::<_, Infallible>(Event::default().data(n.to_string())));
    curfew.ended(&session).sse(events)
}

/// A line a second, until the session is over.
async fn download(session: Session, curfew: Curfew) -> Response {
    let lines = every_second().map(|n| Ok::<_, Infallible>(Bytes::from(format!("line {n}\n"))));
    curfew.ended(&session).cut(Body::from_stream(lines))
}

fn every_second() -> impl Stream<Item = u32> {
    let ticks = stream::unfold(interval(Duration::from_secs(1)), async |mut seconds| {
        seconds.tick().await;
        Some(((), seconds))
    });
    ticks.zip(stream::iter(1..)).map(|((), n)| n)
}

async fn sign_in_form(RawQuery(query): RawQuery) -> Html<String> {
    Html(pages::sign_in(query.as_deref(), None))
}

#[derive(Deserialize)]
struct SignIn {
    username: String,
    password: String,
}

async fn sign_in(
    curfew: Curfew,
    client: ClientInfo,
    back: ReturnTo,
    Form(form): Form<SignIn>,
) -> Result<(SetCookie, Redirect), Response> {
    if !users::check(&form.username, &form.password) {
        let form = Html(pages::sign_in(None, Some(&form.username)));
        return Err((StatusCode::UNAUTHORIZED, form).into_response());
    }
    let start = curfew.start(NewSession::for_user(form.username), &client).await;
    Ok((start.map_err(Error::into_response)?, back.or("/")))
}

async fn log_out_everywhere(
    session: Session,
    curfew: Curfew,
) -> Result<(SetCookie, Redirect), Error> {
    let revoked = curfew.revoke(&session, Selector::user(session.user())).await?;
    Ok((revoked.set_cookie, Redirect::to("/login")))
}
