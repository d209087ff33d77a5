//! The router, and how a session begins and ends.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRef, Query, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_extra::extract::PrivateCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use time::Duration;
use tower_curfew::service::CurfewLayer;
use tower_curfew::{ClientInfo, Curfew, Error, NewSession, ReturnTo, Selector, Session, SetCookie};
use tower_http::csrf::CsrfLayer;

use crate::provider::{Ended, Pending, Provider};

/// Where the provider sends the browser back to. It has to know this address.
pub(crate) const CALLBACK: &str = "/callback";

/// Where the provider tells that a session of its own is over. It has to know this address too.
const BACKCHANNEL_LOGOUT: &str = "/backchannel-logout";

/// The cookie of a sign-in that is under way.
const PENDING: &str = "__Host-Http-sign-in";

/// The kind of link by which the sessions here are found that began with one at the provider.
const LINK: &str = "oidc";

#[derive(Clone)]
struct App {
    provider: Arc<Provider>,
    /// Encrypts what the browser keeps while the person is at the provider.
    key: Key,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.key.clone()
    }
}

pub(crate) fn app(layer: CurfewLayer, provider: Provider) -> Router {
    // A key of its own at each start makes those begin again who were at the provider meanwhile.
    // On several machines it has to be the same on all of them.
    let state = App { provider: Arc::new(provider), key: Key::generate() };
    Router::new()
        .route("/", get(home))
        .route("/login", get(sign_in_page).post(sign_in))
        .route(CALLBACK, get(callback))
        .route("/logout", post(sign_out))
        .route(BACKCHANNEL_LOGOUT, post(back_channel_logout))
        // A browser whose session ended while the person was at the provider comes back with its
        // cookie all the same. It must reach the callback, and not the login page with the code in
        // the URL. The provider's own server has no cookie at all.
        .layer(layer.open([CALLBACK, BACKCHANNEL_LOGOUT]))
        // Other sites must not make a browser sign in or out. It lets programs pass.
        .layer(CsrfLayer::new())
        .with_state(state)
}

async fn home(session: Session) -> impl IntoResponse {
    page(&html! {
        p { "You are signed in as " (session.user()) "." }
        form method="post" action="/logout" { button { "Sign out" } }
    })
}

/// A page, and not at once the provider: it would sign those in again who have just signed out here.
async fn sign_in_page(
    session: Option<Session>,
    back: ReturnTo,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if session.is_some() {
        return back.or("/").into_response();
    }
    page(&html! {
        @if query.contains_key("reason") { p { "Your session has ended." } }
        // Without an `action` it is sent to this URL, so `return_to` stays with it.
        form method="post" { button { "Sign in" } }
    })
    .into_response()
}

async fn sign_in(
    State(app): State<App>,
    jar: PrivateCookieJar,
    RawQuery(query): RawQuery,
) -> Result<(PrivateCookieJar, Redirect), Response> {
    let begun = app.provider.begin(query.unwrap_or_default()).await;
    let (url, pending) = begun.map_err(|error| no_answer(&error))?;
    let pending = serde_json::to_string(&pending).map_err(|error| no_answer(&error.into()))?;
    Ok((jar.add(pending_cookie(pending)), Redirect::to(url.as_str())))
}

/// Holds a sign-in that is under way, encrypted. `Lax` lets it come along with the navigation back
/// from the provider, `Strict` would not.
fn pending_cookie(value: String) -> Cookie<'static> {
    Cookie::build((PENDING, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::minutes(10))
        .build()
}

/// What the provider adds to the URL of the callback. Without a code, the person went no further.
#[derive(Deserialize)]
struct Answer {
    state: String,
    code: Option<String>,
}

async fn callback(
    State(app): State<App>,
    jar: PrivateCookieJar,
    curfew: Curfew,
    client: ClientInfo,
    Query(answer): Query<Answer>,
) -> Result<(PrivateCookieJar, SetCookie, Redirect), Response> {
    let pending =
        jar.get(PENDING).and_then(|cookie| serde_json::from_str::<Pending>(cookie.value()).ok());
    // Otherwise another site could sign this browser in as somebody else.
    let pending = pending.filter(|pending| pending.was_given(&answer.state));
    let (Some(pending), Some(code)) = (pending, answer.code) else {
        let text = "This sign-in did not begin here, took too long, or was given up.";
        return Err((StatusCode::BAD_REQUEST, begin_again(text)).into_response());
    };
    // `return_to` is in it. It went through a browser, so it is checked here.
    let back = ReturnTo::from_query(Some(&pending.login_query));
    let person = app.provider.exchange(pending, code).await.map_err(|error| no_answer(&error))?;

    let mut new = NewSession::for_user(person.subject);
    if let Some(sid) = person.sid {
        new = new.link(LINK, sid);
    }
    let cookie = curfew.start(new, &client).await.map_err(Error::into_response)?;
    Ok((jar.remove(pending_cookie(String::new())), cookie, back.or("/")))
}

/// Signs out here and nowhere else: at the provider, and in its other apps, the person stays.
async fn sign_out(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Error> {
    Ok((curfew.end(&session).await?, Redirect::to("/login")))
}

#[derive(Deserialize)]
struct Logout {
    logout_token: String,
}

/// A token that comes twice does no harm, so no list of their ids (`jti`) is kept: a session that
/// is over at the provider never begins another one here.
async fn back_channel_logout(
    State(app): State<App>,
    curfew: Curfew,
    Form(logout): Form<Logout>,
) -> Result<impl IntoResponse, Response> {
    let ended = app.provider.ended(&logout.logout_token).await.map_err(|error| {
        report(&error);
        (StatusCode::BAD_REQUEST, [(CACHE_CONTROL, "no-store")]).into_response()
    })?;
    let which = match ended {
        Ended::Session(sid) => Selector::link(LINK, sid),
        Ended::AllOf(subject) => Selector::user(subject),
    };
    // No session asks for this, but the provider does, on its own. If the store does not answer, it is
    // told so. That there is nothing to end is fine.
    let provider = curfew.operator("provider: back-channel logout");
    provider.revoke(which).await.map_err(Error::into_response)?;
    Ok([(CACHE_CONTROL, "no-store")])
}

fn no_answer(error: &anyhow::Error) -> Response {
    report(error);
    let text = "The provider did not say who you are.";
    (StatusCode::BAD_GATEWAY, begin_again(text)).into_response()
}

/// For the one who runs the app, not for the browser.
#[expect(clippy::print_stderr, reason = "in the place of a log")]
fn report(error: &anyhow::Error) {
    eprintln!("{error:#}");
}

fn begin_again(text: &str) -> impl IntoResponse + use<> {
    page(&html! {
        p { (text) }
        p { a href="/login" { "Sign in" } }
    })
}

/// A page that the back button does not show again after a sign-out.
fn page(content: &Markup) -> impl IntoResponse + use<> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "OpenID Connect" } }
            body { (content) }
        }
    };
    ([(CACHE_CONTROL, "no-store")], page)
}
