//! Settings → Account: the active sessions and tokens of a person.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use tower_curfew::{
    ActiveSession, Curfew, Error, NewSession, Selector, Session, SessionId, SessionKind, SetCookie,
};

use crate::app::App;
use crate::page::{Refusal, Viewer, alert, status};

const LIST: &str = "/settings/account/sessions";
const TOKENS: &str = "/settings/account/tokens";

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route(LIST, get(list))
        .route(&format!("{LIST}/{{id}}/end"), get(confirm_end).post(end))
        .route(&format!("{LIST}/end-all"), get(confirm_end_all).post(end_all))
        .route(TOKENS, post(create_token).get(async || Redirect::to(LIST)))
        .route(&format!("{TOKENS}/{{id}}/delete"), get(confirm_delete).post(delete))
}

async fn list(
    viewer: Viewer,
    curfew: Curfew,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Markup, Refusal> {
    let done = query.get("done").and_then(|done| match &**done {
        "terminated" => Some("The session is terminated."),
        "deleted" => Some("The token is deleted."),
        _ => None,
    });
    Ok(overview(&viewer, &curfew, &status(done)).await?)
}

async fn overview(viewer: &Viewer, curfew: &Curfew, message: &Markup) -> Result<Markup, Error> {
    let all = curfew.list(viewer.user()).await?;
    let (tokens, browsers) =
        all.iter().partition::<Vec<_>, _>(|one| one.kind() == SessionKind::Token);
    let content = html! {
        (message)
        table {
            caption { "Where you are signed in" }
            thead {
                tr {
                    th scope="col" { "Device" }
                    th scope="col" { "Location" }
                    th scope="col" { "Last active" }
                    th scope="col" { span.unseen { "Actions" } }
                }
            }
            tbody { @for one in browsers { (row(viewer, one)) } }
        }
        p { a href={ (LIST) "/end-all" } { "Log out of all sessions" } }
        h2 { "Tokens" }
        p { "For programs that sign in as you." }
        @if !tokens.is_empty() { ul.tokens { @for one in tokens { (token(viewer, one)) } } }
        form.card method="post" action=(TOKENS) {
            label { "Name" input name="name" maxlength="80" autocomplete="off" required; }
            button { "Create token" }
        }
    };
    Ok(viewer.page("Active sessions", &content))
}

fn row(viewer: &Viewer, one: &ActiveSession) -> Markup {
    let is_current = one.id() == viewer.id();
    let location = one.client().location.unwrap_or("Unknown location".into());
    html! {
        tr data-session=(one.id()) {
            td {
                (device(one))
                @if is_current { " " span.badge { "Current" } }
            }
            td { (location) }
            td { (last_active(viewer, one)) }
            td {
                // Of one name, so that opening one closes the others.
                details.menu name="menu" {
                    summary aria-label={ "Actions for " (device(one)) } { "⋯" }
                    a href={ (LIST) "/" (one.id()) "/end" } {
                        @if is_current { "Log out" } @else { "Terminate" }
                    }
                }
            }
        }
    }
}

fn token(viewer: &Viewer, one: &ActiveSession) -> Markup {
    html! {
        li data-token=(one.id()) {
            strong { (name(one)) }
            span { "Created " (viewer.ago(one.created_at())) }
            span { "Last used " (last_active(viewer, one)) }
            a.trash href={ (TOKENS) "/" (one.id()) "/delete" }
                aria-label={ "Delete token " (name(one)) } {
                // A trash can.
                svg viewBox="0 0 24 24" aria-hidden="true" {
                    path d="M9 2h6l1 2h5v2H3V4h5zM5 8h14l-1 14H6zm4 3v8h2v-8zm4 0v8h2v-8z";
                }
            }
        }
    }
}

/// When it was last active. That an admin changes a policy is no activity, so not when its end was
/// last moved.
fn last_active(viewer: &Viewer, one: &ActiveSession) -> Markup {
    html! { @if let Some(seen) = one.last_seen_at() { (viewer.ago(seen)) } @else { "never" } }
}

fn device(one: &ActiveSession) -> Arc<str> {
    one.client().device.unwrap_or("Unknown device".into())
}

fn name(one: &ActiveSession) -> &str {
    one.name().unwrap_or("without a name")
}

/// One of the viewer's own, by the id in the path.
async fn find(
    viewer: &Viewer,
    curfew: &Curfew,
    id: &str,
    is_token: bool,
) -> Result<ActiveSession, Refusal> {
    let all = curfew.list(viewer.user()).await?;
    let its = |one: &ActiveSession| {
        one.id().to_string() == id && (one.kind() == SessionKind::Token) == is_token
    };
    all.into_iter().find(its).ok_or_else(Refusal::not_found)
}

async fn confirm_end(
    viewer: Viewer,
    curfew: Curfew,
    Path(id): Path<String>,
) -> Result<Markup, Refusal> {
    let one = find(&viewer, &curfew, &id, false).await?;
    let what = html! { (device(&one)) ", last active " (last_active(&viewer, &one)) "." };
    Ok(if one.id() == viewer.id() {
        confirm(&viewer, "Log out?", &what, "Log out")
    } else {
        confirm(&viewer, "Terminate this session?", &what, "Terminate")
    })
}

async fn end(
    session: Session,
    curfew: Curfew,
    Path(id): Path<String>,
) -> Result<(SetCookie, Redirect), Refusal> {
    let id = id.parse::<SessionId>().map_err(|_| Refusal::not_found())?;
    // A stranger's session is none of these, whatever id is sent.
    let revoked = curfew.revoke(&session, Selector::user(session.user()).only(id)).await?;
    let terminated = format!("{LIST}?done=terminated");
    let next = if id == session.id() { "/login" } else { &terminated };
    Ok((revoked.set_cookie, Redirect::to(next)))
}

async fn confirm_end_all(viewer: Viewer) -> Markup {
    let what = html! {
        "You will have to sign in again everywhere: this session is among them. Your tokens stop "
        "working, too."
    };
    confirm(&viewer, "Log out of all sessions?", &what, "Log out of all sessions")
}

async fn end_all(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Refusal> {
    let revoked = curfew.revoke(&session, Selector::user(session.user())).await?;
    Ok((revoked.set_cookie, Redirect::to("/login")))
}

#[derive(Deserialize)]
struct NewToken {
    name: String,
}

/// Answers with the token itself, and not with a redirect: nobody can show it a second time.
async fn create_token(
    viewer: Viewer,
    curfew: Curfew,
    Form(form): Form<NewToken>,
) -> Result<Response, Refusal> {
    // Whoever finds a token must not be able to issue another one.
    if viewer.kind() == SessionKind::Token {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "A token creates no tokens."));
    }
    let name = form.name.trim();
    if name.is_empty() || name.len() > 512 || name.contains(char::is_control) {
        let message = alert(Some("Give the token a name, of at most 80 characters."));
        let page = overview(&viewer, &curfew, &message).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let new = NewSession::for_user(viewer.user()).orgs(viewer.orgs()).named(name);
    let issued = curfew.issue_token(&viewer, new).await?;
    let content = html! {
        p role="status" { "Copy it now. It is shown only this once." }
        p { output { code #token { (issued.token()) } } }
        p { a href=(LIST) { "Done" } }
    };
    Ok(viewer.page("New token", &content).into_response())
}

async fn confirm_delete(
    viewer: Viewer,
    curfew: Curfew,
    Path(id): Path<String>,
) -> Result<Markup, Refusal> {
    let one = find(&viewer, &curfew, &id, true).await?;
    let what = html! { "Programs that use " strong { (name(&one)) } " can no longer sign in." };
    Ok(confirm(&viewer, "Delete this token?", &what, "Delete"))
}

async fn delete(
    session: Session,
    curfew: Curfew,
    Path(id): Path<String>,
) -> Result<(SetCookie, Redirect), Refusal> {
    let id = id.parse::<SessionId>().map_err(|_| Refusal::not_found())?;
    let revoked = curfew.revoke(&session, Selector::user(session.user()).only(id)).await?;
    Ok((revoked.set_cookie, Redirect::to(&format!("{LIST}?done=deleted"))))
}

/// The question before something that cannot be undone. The form is sent to the page's own URL.
fn confirm(viewer: &Viewer, title: &str, what: &Markup, button: &str) -> Markup {
    let content = html! {
        p { (what) }
        form.choice method="post" {
            button.danger { (button) }
            a href=(LIST) { "Cancel" }
        }
    };
    viewer.page(title, &content)
}
