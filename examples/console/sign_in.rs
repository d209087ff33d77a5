//! Signing in and out.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use tower_curfew::{
    ClientInfo, Curfew, EndReason, Error, Limits, NewSession, ReturnTo, Session, SetCookie,
};

use crate::app::App;
use crate::page::{Refusal, alert, open, status};
use crate::{users, words};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/login", get(form).post(sign_in)).route("/logout", post(sign_out))
}

async fn form(
    session: Option<Session>,
    State(app): State<App>,
    curfew: Curfew,
    back: ReturnTo,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refusal> {
    if session.is_some() {
        return Ok(back.or("/").into_response());
    }
    let why = why(&query, &app, &curfew).await?;
    Ok(page(&status(why.as_deref()), "").into_response())
}

/// Why somebody was sent here, as the layer put it into the query.
async fn why(
    query: &HashMap<String, String>,
    app: &App,
    curfew: &Curfew,
) -> Result<Option<String>, Error> {
    let Some(reason) = query.get("reason").and_then(|reason| EndReason::named(reason)) else {
        return Ok(None);
    };
    let named = query.get("organization");
    // Anybody can make a link to this page: it must not say what they like.
    let org = named.filter(|org| users::is_org(org)).map(String::as_str);
    let limits = match (named, org) {
        (None, _) => app.limits,
        (_, None) => Limits::unlimited(),
        (_, Some(org)) => {
            let policy = curfew.policy(org).await?.and_then(|version| version.policy);
            let absolute = policy.and_then(|policy| policy.absolute_limit());
            let idle = policy.and_then(|policy| policy.idle_limit());
            Limits::try_new(absolute, idle).unwrap_or(Limits::unlimited())
        }
    };
    let limit = match reason {
        EndReason::Absolute => limits.absolute_limit(),
        EndReason::Idle => limits.idle_limit(),
        EndReason::Revoked => None,
    };
    Ok(Some(words::why(reason, org, limit)))
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
    curfew: Curfew,
    client: ClientInfo,
    back: ReturnTo,
    Form(form): Form<SignIn>,
) -> Result<(SetCookie, Redirect), Response> {
    let SignIn { username, password, shared } = form;
    let Some(user) = users::check(&username, password).await else {
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
