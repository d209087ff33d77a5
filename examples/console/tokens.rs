//! Settings → Account: the tokens of a person, for programs that sign in as them.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use tower_curfew::{ActiveSession, Curfew, NewSession, Session, SessionId, SessionKind, SetCookie};

use crate::account::{LIST, end_own, overview};
use crate::app::App;
use crate::page::{Question, Refusal, Viewer, alert};

const TOKENS: &str = "/settings/account/tokens";

pub(crate) fn routes() -> Router<App> {
    let to_list = async || Redirect::to(LIST);
    Router::new()
        .route(TOKENS, post(create).get(to_list))
        .route(&format!("{TOKENS}/{{id}}/delete"), post(delete).get(to_list))
}

/// The list of tokens, and the form for another one.
pub(crate) fn section(viewer: &Viewer, tokens: &[&ActiveSession]) -> Markup {
    html! {
        h2 #tokens { "Tokens" }
        p { "For programs that sign in as you: on the command line, on a phone, or on a desktop." }
        @if !tokens.is_empty() {
            table.cards role="table" aria-labelledby="tokens" {
                thead role="rowgroup" {
                    tr role="row" {
                        th scope="col" role="columnheader" { "Name" }
                        th scope="col" role="columnheader" { "Program" }
                        th scope="col" role="columnheader" { "Created" }
                        th scope="col" role="columnheader" { "Last used" }
                        th scope="col" role="columnheader" { span.unseen { "Actions" } }
                    }
                }
                tbody role="rowgroup" { @for one in tokens { (row(viewer, one)) } }
            }
        }
        form.card method="post" action=(TOKENS) {
            label { "Name of a new token"
                input name="name" maxlength="80" autocomplete="off" required;
            }
            button { "Create token" }
        }
    }
}

fn row(viewer: &Viewer, one: &ActiveSession) -> Markup {
    let name = one.name().unwrap_or("without a name");
    // Nothing is known of the program before it comes for the first time.
    let program = match one.last_seen_at() {
        Some(_) => one.client().device.unwrap_or("Unknown program".into()),
        None => "Not used yet".into(),
    };
    let delete = Question {
        id: &format!("delete-{}", one.id()),
        button: "Delete",
        about: Some(name),
        title: "Delete this token?",
        text: html! { "Programs that use " strong { (name) } " can no longer sign in." },
        action: &format!("{TOKENS}/{}/delete", one.id()),
    };
    html! {
        tr role="row" data-token=(one.id()) {
            td role="cell" { strong { (name) } }
            td role="cell" data-label="Program" { (program) }
            td role="cell" data-label="Created" { (viewer.ago(one.created_at())) }
            td role="cell" data-label="Last used" { (viewer.last_seen(one)) }
            td role="cell" { (delete.asked()) }
        }
    }
}

#[derive(Deserialize)]
struct NewToken {
    name: String,
}

/// Answers with the token itself, and not with a redirect: nobody can show it a second time.
async fn create(
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
        p role="status" { "Copy the token " strong { (name) } " now. It is shown only this once." }
        div.card.choice {
            output { code #token { (issued.token()) } }
            // The script shows it: without one it could do nothing.
            button #copy type="button" aria-describedby="token" hidden { "Copy" }
            span #copied role="status" {}
        }
        p { a href=(LIST) { "Done" } }
        script src="/assets/copy.js" defer {}
    };
    Ok(viewer.page("New token", &content).into_response())
}

async fn delete(
    session: Session,
    curfew: Curfew,
    Path(id): Path<String>,
) -> Result<(SetCookie, Redirect), Refusal> {
    let id = id.parse::<SessionId>().map_err(|_| Refusal::not_found())?;
    let set_cookie = end_own(&session, &curfew, id).await?;
    Ok((set_cookie, Redirect::to(&format!("{LIST}?done=deleted"))))
}
