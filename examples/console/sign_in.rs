//! Signing in and out.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use tower_curfew::{ClientInfo, Curfew, EndReason, NewSession, ReturnTo, Session, SetCookie};

use crate::app::App;
use crate::page::{Refusal, alert, open, status};
use crate::{users, words};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/login", get(form).post(sign_in)).route("/logout", post(sign_out))
}

async fn form(
    session: Option<Session>,
    State(app): State<App>,
    back: ReturnTo,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if session.is_some() {
        return back.or("/").into_response();
    }
    page(&status(why(&query, &app).as_deref()), "").into_response()
}

/// Why somebody was sent here, as the layer put it into the query.
///
/// Anybody can make a link to this page, so nothing of its URL is shown. Nor is anything told of an
/// organization, not even whether there is one of that name: strangers see this page too.
fn why(query: &HashMap<String, String>, app: &App) -> Option<String> {
    let reason = query.get("reason").and_then(|reason| EndReason::named(reason))?;
    if query.contains_key("organization") {
        return Some(words::why_by_org(reason).to_owned());
    }
    let limit = match reason {
        EndReason::Absolute => app.limits.absolute_limit(),
        EndReason::Idle => app.limits.idle_limit(),
        EndReason::Revoked => None,
    };
    Some(words::why(reason, limit))
}

/// Without an `action` the form is sent to the URL that it stands on, so `return_to` stays with it.
fn page(message: &Markup, username: &str) -> Markup {
    open(
        "Sign in",
        &html! {
            (message)
            form.card method="post" {
                label { "User name"
                    input name="username" value=(username) autocomplete="username"
                        autocapitalize="none" required;
                }
                label { "Password"
                    input name="password" type="password" autocomplete="current-password" required;
                }
                label.check {
                    input name="shared" type="checkbox" value="yes";
                    "This is a shared computer: forget me when the browser closes"
                }
                button.primary { "Sign in" }
            }
        },
    )
}

#[derive(Deserialize)]
struct SignIn {
    username: String,
    password: String,
    shared: Option<String>,
}

async fn sign_in(
    State(app): State<App>,
    curfew: Curfew,
    client: ClientInfo,
    back: ReturnTo,
    Form(form): Form<SignIn>,
) -> Result<(SetCookie, Redirect), Response> {
    let SignIn { username, password, shared } = form;
    let checked = users::check(&app.hashing, &username, password).await;
    let Some(user) = checked.map_err(|busy| Refusal::from(busy).into_response())? else {
        let wrong = alert(Some("This user name and password do not go together."));
        return Err((StatusCode::UNAUTHORIZED, page(&wrong, &username)).into_response());
    };
    let mut new = NewSession::for_user(user.name).orgs(user.orgs.iter().copied());
    if shared.is_some() {
        new = new.until_browser_closes();
    }
    let started = curfew.start(new, &client).await;
    let cookie = started.map_err(|error| Refusal::from(error).into_response())?;
    Ok((cookie, back.or("/")))
}

async fn sign_out(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Refusal> {
    Ok((curfew.end(&session).await?, Redirect::to("/login")))
}
