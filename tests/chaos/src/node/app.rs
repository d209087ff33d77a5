//! The routes of a node, as an app has them.

use std::future::ready;

use axum::http::HeaderValue;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use time::Duration;
use tower_curfew::{
    ClientInfo, Curfew, Error, NewSession, OrgPolicy, Session, SetCookie, account_routes,
    readiness_route,
};

/// Each answer says in this header which node gave it. What has none comes from the proxy.
pub(crate) const NODE_HEADER: &str = "x-node";

pub(super) fn app(curfew: Curfew, node: u16) -> Router {
    let node = HeaderValue::from(node);
    let named = move |mut response: Response| {
        response.headers_mut().insert(NODE_HEADER, node.clone());
        ready(response)
    };
    Router::new()
        .route("/", get(page))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/admin/policy", post(change_policy))
        .route("/admin/revoke", post(revoke))
        .nest("/account", account_routes())
        .layer(curfew.layer())
        .merge(readiness_route(curfew))
        .layer(map_response(named))
}

async fn page(_: Session) {}

/// Whose session is to start, and what binds it.
#[derive(Deserialize, Serialize)]
pub(crate) struct SignIn {
    pub(crate) user: String,
    pub(crate) orgs: Vec<String>,
}

/// The public name of a session that has started.
#[derive(Deserialize, Serialize)]
pub(crate) struct SignedIn {
    pub(crate) session: String,
}

async fn sign_in(
    curfew: Curfew,
    client: ClientInfo,
    Json(SignIn { user, orgs }): Json<SignIn>,
) -> Result<(SetCookie, Json<SignedIn>), Error> {
    let cookie = curfew.start(NewSession::for_user(user).orgs(orgs), &client).await?;
    let session = cookie.session().map(|id| id.to_string()).unwrap_or_default();
    Ok((cookie, Json(SignedIn { session })))
}

async fn sign_out(session: Session, curfew: Curfew) -> Result<SetCookie, Error> {
    curfew.end(&session).await
}

/// Limits in milliseconds; without any there is to be no policy. Without an organization, everyone's.
#[derive(Deserialize, Serialize)]
pub(crate) struct ChangePolicy {
    pub(crate) org: Option<String>,
    pub(crate) absolute: Option<i64>,
    pub(crate) idle: Option<i64>,
}

async fn change_policy(curfew: Curfew, Json(change): Json<ChangePolicy>) -> Result<(), Error> {
    let ChangePolicy { org, absolute, idle } = change;
    let [absolute, idle] = [absolute, idle].map(|limit| limit.map(Duration::milliseconds));
    let operator = curfew.operator("chaos");
    match (org, OrgPolicy::try_new(absolute, idle).ok().flatten()) {
        (Some(org), Some(policy)) => operator.set_policy(org, policy).await,
        (Some(org), None) => operator.clear_policy(org).await,
        (None, Some(policy)) => operator.set_policy_for_everyone(policy).await,
        (None, None) => operator.clear_policy_for_everyone().await,
    }
}

/// Whose sessions are to end; without an organization, everyone's.
#[derive(Deserialize, Serialize)]
pub(crate) struct Revoke {
    pub(crate) org: Option<String>,
}

async fn revoke(curfew: Curfew, Json(Revoke { org }): Json<Revoke>) -> Result<(), Error> {
    let operator = curfew.operator("chaos");
    match org {
        Some(org) => operator.revoke_org(org).await,
        None => operator.revoke_everyone().await,
    }
}
