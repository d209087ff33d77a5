//! Settings → Account: where a person is signed in, and how they end that. Their tokens are in
//! `tokens.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Redirect;
use axum::routing::{get, post};
use maud::{Markup, html};
use tower_curfew::{
    ActiveSession, Curfew, Error, Selector, Session, SessionId, SessionKind, SetCookie,
};

use crate::app::App;
use crate::page::{Question, Refusal, Viewer, status};
use crate::{strip, tokens};

pub(crate) const LIST: &str = "/settings/account/sessions";

pub(crate) fn routes() -> Router<App> {
    // Somebody who has to sign in before a form is taken comes back by a link.
    let to_list = async || Redirect::to(LIST);
    Router::new()
        .route(LIST, get(list))
        .route(&format!("{LIST}/{{id}}/end"), post(end).get(to_list))
        .route(&format!("{LIST}/end-others"), post(end_others).get(to_list))
        .route(&format!("{LIST}/end-all"), post(end_all).get(to_list))
}

async fn list(
    viewer: Viewer,
    curfew: Curfew,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Markup, Refusal> {
    let done = query.get("done").and_then(|done| match &**done {
        "terminated" => Some("The session is terminated."),
        "others" => Some("You are logged out of all other sessions."),
        "deleted" => Some("The token is deleted."),
        _ => None,
    });
    Ok(overview(&viewer, &curfew, &status(done)).await?)
}

/// The page with both lists, and a message above them.
pub(crate) async fn overview(
    viewer: &Viewer,
    curfew: &Curfew,
    message: &Markup,
) -> Result<Markup, Error> {
    let all = curfew.list(viewer.user()).await?;
    let (tokens, mut browsers) =
        all.iter().partition::<Vec<_>, _>(|one| one.kind() == SessionKind::Token);
    // The others stay in their order: the newest sign-in first.
    browsers.sort_by_key(|one| one.id() != viewer.id());
    let content = html! {
        (message)
        // Roles, because a table loses them where a narrow screen shows its rows as blocks.
        table.cards role="table" {
            caption { "Where you are signed in" }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { "Device" }
                    th scope="col" role="columnheader" { "Location" }
                    th scope="col" role="columnheader" { "Created" }
                    th scope="col" role="columnheader" { "Last seen" }
                    th scope="col" role="columnheader" { (strip::TITLE) }
                    th scope="col" role="columnheader" { span.unseen { "Actions" } }
                }
            }
            tbody role="rowgroup" { @for one in &browsers { (row(viewer, one)) } }
        }
        p.hint { (strip::EXPLANATION) }
        div.choice {
            @if all.len() > 1 { (log_out_of_others()) }
            (log_out_of_all())
        }
        (tokens::section(viewer, &tokens))
    };
    Ok(viewer.page("Active sessions", &content))
}

fn row(viewer: &Viewer, one: &ActiveSession) -> Markup {
    let is_current = one.id() == viewer.id();
    let client = one.client();
    html! {
        tr role="row" data-session=(one.id()) {
            td role="cell" {
                strong { (device(one)) }
                @if is_current { " " span.badge { "Current" } }
            }
            td role="cell" data-label="Location" {
                (client.location.unwrap_or("Unknown location".into()))
                @if let Some(address) = client.address { " " span.address { (address) } }
            }
            td role="cell" data-label="Created" { (viewer.ago(one.created_at())) }
            td role="cell" data-label="Last seen" { (viewer.last_seen(one)) }
            td role="cell" data-label=(strip::TITLE) { (strip::strip(one, viewer.now)) }
            td role="cell" { (end_button(viewer, one, is_current)) }
        }
    }
}

fn end_button(viewer: &Viewer, one: &ActiveSession, is_current: bool) -> Markup {
    let (button, title) =
        if is_current { ("Log out", "Log out?") } else { ("Terminate", "Terminate this session?") };
    Question {
        id: &format!("end-{}", one.id()),
        button,
        about: Some(&device(one)),
        title,
        text: html! { (device(one)) ", last seen " (viewer.last_seen(one)) "." },
        action: &format!("{LIST}/{}/end", one.id()),
    }
    .asked()
}

fn log_out_of_others() -> Markup {
    Question {
        id: "end-others",
        button: "Log out of all other sessions",
        about: None,
        title: "Log out of all other sessions?",
        text: html! {
            "All other devices have to sign in again, and your tokens stop working. You stay signed \
             in here."
        },
        action: &format!("{LIST}/end-others"),
    }
    .asked()
}

fn log_out_of_all() -> Markup {
    Question {
        id: "end-all",
        button: "Log out of all sessions",
        about: None,
        title: "Log out of all sessions?",
        text: html! {
            "You have to sign in again everywhere, also here, and your tokens stop working."
        },
        action: &format!("{LIST}/end-all"),
    }
    .asked()
}

fn device(one: &ActiveSession) -> Arc<str> {
    one.client().device.unwrap_or("Unknown device".into())
}

async fn end(
    session: Session,
    curfew: Curfew,
    Path(id): Path<String>,
) -> Result<(SetCookie, Redirect), Refusal> {
    let id = id.parse::<SessionId>().map_err(|_| Refusal::not_found())?;
    let set_cookie = end_own(&session, &curfew, id).await?;
    let terminated = format!("{LIST}?done=terminated");
    let next = if id == session.id() { "/login" } else { &terminated };
    Ok((set_cookie, Redirect::to(next)))
}

/// Ends one of the user's own sessions or tokens. That of another user is none of these, whatever id is
/// sent.
pub(crate) async fn end_own(
    session: &Session,
    curfew: &Curfew,
    id: SessionId,
) -> Result<SetCookie, Error> {
    let revoked = curfew.revoke(session, Selector::user(session.user()).only(id)).await?;
    Ok(revoked.set_cookie)
}

async fn end_others(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Refusal> {
    let others = Selector::user(session.user()).except(session.id());
    let revoked = curfew.revoke(&session, others).await?;
    Ok((revoked.set_cookie, Redirect::to(&format!("{LIST}?done=others"))))
}

async fn end_all(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Refusal> {
    let revoked = curfew.revoke(&session, Selector::user(session.user())).await?;
    Ok((revoked.set_cookie, Redirect::to("/login")))
}
