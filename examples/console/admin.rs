//! Admin settings → Identity and access → Session security, of one organization.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use time::Duration;
use tower_curfew::{Curfew, Effect, Error, ErrorKind, OrgPolicy};

use crate::admin_form::{fields_of, form};
use crate::app::{App, is_admin};
use crate::ends::{End, Ends};
use crate::page::{Question, Refusal, Viewer, alert, sentence, status};
use crate::picture::picture;
use crate::policy_form::wanted;
use crate::words;

pub(crate) type Fields = HashMap<String, String>;

pub(crate) fn routes() -> Router<App> {
    let to_settings = async |Path(org): Path<String>| Redirect::to(&path(&org, ""));
    Router::new()
        .route("/admin/{org}/security", get(settings).post(save))
        .route("/admin/{org}/security/preview", post(preview).get(to_settings))
        .route("/admin/{org}/security/disable", post(disable).get(to_settings))
        .route("/admin/{org}/security/revoke", post(revoke).get(to_settings))
}

/// Somebody who may administer the organization in the path. Others are told that they may not,
/// whether it exists or not.
struct Admin {
    viewer: Viewer,
    curfew: Curfew,
    org: String,
}

impl FromRequestParts<App> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let viewer = Viewer::from_request_parts(parts, app).await?;
        let curfew = Curfew::from_request_parts(parts, app).await?;
        let path = Path::<String>::from_request_parts(parts, app).await;
        let Path(org) = path.map_err(IntoResponse::into_response)?;
        if !is_admin(viewer.clone(), org.clone()).await {
            let text = "You may not administer this organization.";
            return Err(Refusal::new(StatusCode::FORBIDDEN, text).into_response());
        }
        Ok(Self { viewer, curfew, org })
    }
}

/// The names of organizations are the app's own, so they need no encoding.
pub(crate) fn path(org: &str, rest: &str) -> String {
    format!("/admin/{org}/security{rest}")
}

async fn settings(admin: Admin, Query(query): Query<Fields>) -> Result<Markup, Refusal> {
    let done = query.get("done").and_then(|done| match &**done {
        "saved" => Some("Saved."),
        "disabled" => Some("Disabled. Sessions that live keep the end they had."),
        _ => None,
    });
    let policy = admin.policy().await?;
    Ok(admin.page(&status(done), policy, &fields_of(policy)))
}

impl Admin {
    async fn policy(&self) -> Result<Option<OrgPolicy>, Error> {
        Ok(self.curfew.policy(&self.org).await?.and_then(|version| version.policy))
    }

    fn page(&self, message: &Markup, policy: Option<OrgPolicy>, fields: &Fields) -> Markup {
        let org = &*self.org;
        let content = html! {
            (message)
            h2 { (org) }
            p { (words::policy(policy)) }
            (form(org, fields, self.curfew.policy_bounds()))
            h2 { "Disable or revoke" }
            div.choice {
                form method="post" action=(path(org, "/disable")) {
                    button disabled[policy.is_none()] { "Disable" }
                }
                (revocation(org))
            }
        };
        self.viewer.page("Session security", &content)
    }

    /// What the policy does to whom, drawn from the list of sessions.
    async fn picture(&self, policy: OrgPolicy) -> Markup {
        let Ok(sessions) = self.curfew.preview_list(&self.org, policy).await else {
            // To tighten a policy must not depend on a picture.
            return html! { p { "There is no picture: the sessions cannot be listed just now." } };
        };
        let ends = sessions.iter().map(End::of).collect::<Vec<_>>();
        picture(&Ends::counted(&ends, self.viewer.now))
    }

    /// The page again, with what was filled in and what is wrong with it.
    async fn refuse(&self, wrong: &str, fields: &Fields) -> Result<Response, Refusal> {
        let page = self.page(&alert(Some(wrong)), self.policy().await?, fields);
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    }
}

fn revocation(org: &str) -> Markup {
    Question {
        id: "revoke",
        button: "Revoke all sessions",
        about: None,
        title: "Revoke all sessions?",
        text: html! { "This signs out everybody in " (org) ", you too." },
        action: &path(org, "/revoke"),
    }
    .asked()
}

/// What would happen, and whether to go on.
async fn preview(admin: Admin, Form(fields): Form<Fields>) -> Result<Response, Refusal> {
    let policy = match wanted(&fields) {
        Ok(policy) => policy,
        Err(wrong) => return admin.refuse(&wrong, &fields).await,
    };
    let preview = match admin.curfew.preview(&admin.org, policy, &admin.viewer).await {
        Err(error) if error.kind() == ErrorKind::InvalidPolicy => {
            return admin.refuse(&sentence(&error), &fields).await;
        }
        preview => preview?,
    };
    let seconds = |limit: Option<Duration>| limit.map(Duration::whole_seconds);
    let content = html! {
        h2 { (admin.org) }
        p { (words::policy(Some(policy))) }
        p role="status" {
            (words::preview(preview))
            @if preview.own_session == Effect::Ends { " Yours is among them." }
        }
        (admin.picture(policy).await)
        form.choice method="post" action=(path(&admin.org, "")) {
            @if let Some(seconds) = seconds(policy.absolute_limit()) {
                input type="hidden" name="absolute_seconds" value=(seconds);
            }
            @if let Some(seconds) = seconds(policy.idle_limit()) {
                input type="hidden" name="idle_seconds" value=(seconds);
            }
            button.primary { "Save" }
            a href=(path(&admin.org, "")) { "Cancel" }
        }
    };
    Ok(admin.viewer.page("Before you save", &content).into_response())
}

async fn save(admin: Admin, Form(fields): Form<Fields>) -> Result<Response, Refusal> {
    let policy = match wanted(&fields) {
        Ok(policy) => policy,
        Err(wrong) => return admin.refuse(&wrong, &fields).await,
    };
    match admin.curfew.set_policy(&admin.viewer, &admin.org, policy).await {
        Err(error) if error.kind() == ErrorKind::InvalidPolicy => {
            admin.refuse(&sentence(&error), &fields).await
        }
        saved => {
            saved?;
            Ok(Redirect::to(&path(&admin.org, "?done=saved")).into_response())
        }
    }
}

async fn disable(admin: Admin) -> Result<Redirect, Refusal> {
    admin.curfew.clear_policy(&admin.viewer, &admin.org).await?;
    Ok(Redirect::to(&path(&admin.org, "?done=disabled")))
}

/// The admin's own session is over then, so the next page is the one to sign in on.
async fn revoke(admin: Admin) -> Result<Redirect, Refusal> {
    admin.curfew.revoke_org(&admin.viewer, &admin.org).await?;
    Ok(Redirect::to(&path(&admin.org, "")))
}
