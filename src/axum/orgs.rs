//! JSON routes for the settings page of an organization's admin.

use std::future::Future;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use time::Duration;

use super::json::{problem, problem_of, protected, unreadable};
use crate::curfew::{Counted, Curfew, Error, Preview, Tally};
use crate::policy::{OrgPolicy, PolicyVersion};
use crate::session::Session;

/// Routes to read, set, preview and remove an organization's policy, and to revoke its sessions.
///
/// `authorize` decides which users may use them.
///
/// | request | answer |
/// | --- | --- |
/// | `GET /organizations/{org}/policy` | `{"absolute_seconds":604800,"idle_seconds":null,"since":"2026-01-01T00:00:00Z"}` |
/// | `PUT` on the same path, without `since` | `{"ends_now":3,"shortened":14}` |
/// | `DELETE` on the same path | the policy, now with nulls; scheduled ends stay |
/// | `POST /organizations/{org}/policy/preview`, with the body of `PUT` | `{"ends_now":3,"shortened":14,"own_session":"ends"}`, or `"shortened"`, or `"unchanged"` |
/// | `POST /organizations/{org}/revoke` | `{"ended":17}`, including the admin's own session if it belongs to the organization |
///
/// Durations are whole seconds. Errors are `application/problem+json` (RFC 9457): 401 without a
/// session; 403 for a user who is not authorized, whether or not the organization exists, and for
/// cross-site requests; 422 with `field`, `minimum` and `maximum` for a limit out of
/// [bounds](crate::Builder::policy_bounds); 409 for too many changes; 503.
///
/// A change is made first, and its effect is counted afterwards: for the newest 10,000 sessions of
/// the organization, as far as they can be read. If there may be more, the answer also has
/// `"at_least":true`.
///
/// Changes are made in the name of the session of the request: 401 if it has ended in the meantime,
/// even if the request arrived slowly.
///
/// ```
/// use axum::Router;
/// use tower_curfew::{Session, org_routes};
/// # use tower_curfew::{Curfew, Keyring, store::MemoryStore};
///
/// async fn is_admin(session: Session, org: String) -> bool {
///     session.user() == "grace" && org == "acme"
/// }
///
/// # fn app(curfew: Curfew) -> Router {
/// Router::new().nest("/api", org_routes(is_admin)).layer(curfew.layer())
/// # }
/// ```
pub fn org_routes<S>(authorize: impl Authorize) -> Router<S> {
    let routes = Router::new()
        .route("/organizations/{org}/policy", get(policy).put(set_policy).delete(clear_policy))
        .route("/organizations/{org}/policy/preview", post(preview))
        .route("/organizations/{org}/revoke", post(revoke));
    protected(routes).with_state(authorize)
}

/// Decides who may administer the sessions of an organization.
///
/// Async functions of a [`Session`] and the organization's name implement it, and closures written
/// as `move |session, org| async move { … }`.
pub trait Authorize: Clone + Send + Sync + 'static {
    /// Whether this session may administer this organization. Return `false` if that cannot be
    /// determined.
    fn authorize(&self, session: &Session, org: &str) -> impl Future<Output = bool> + Send;
}

impl<F, A> Authorize for F
where
    F: Fn(Session, String) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = bool> + Send,
{
    fn authorize(&self, session: &Session, org: &str) -> impl Future<Output = bool> + Send {
        self(session.clone(), org.to_owned())
    }
}

async fn policy(admin: Admin) -> Result<Json<PolicyBody>, Error> {
    Ok(Json(admin.curfew.policy(&admin.org).await?.into()))
}

async fn set_policy(
    admin: Admin,
    body: Result<Json<PolicyBody>, JsonRejection>,
) -> Result<Json<Changed>, Response> {
    let policy = checked(&admin, body)?;
    let Admin { session, curfew, org } = admin;
    let changed = curfew.set_policy_and_count(&session, &org, policy).await;
    let Tally { ends_now, shortened, at_least, .. } = changed.map_err(Error::into_response)?;
    Ok(Json(Changed { ends_now, shortened, at_least }))
}

async fn clear_policy(admin: Admin) -> Result<Json<PolicyBody>, Error> {
    admin.curfew.clear_policy(&admin.session, &admin.org).await?;
    policy(admin).await
}

async fn preview(
    admin: Admin,
    body: Result<Json<PolicyBody>, JsonRejection>,
) -> Result<Json<Preview>, Response> {
    let policy = checked(&admin, body)?;
    let preview = admin.curfew.preview(&admin.org, policy, &admin.session).await;
    preview.map(Json).map_err(Error::into_response)
}

async fn revoke(admin: Admin) -> Result<Json<Ended>, Error> {
    let Counted { sessions, at_least } =
        admin.curfew.revoke_org_and_count(&admin.session, &admin.org).await?;
    Ok(Json(Ended { ended: sessions, at_least }))
}

/// A user who may administer the organization in the path.
struct Admin {
    session: Session,
    curfew: Curfew,
    org: String,
}

/// Other parameters in the path belong to the place where the routes are mounted.
#[derive(Deserialize)]
struct OrgInPath {
    org: String,
}

impl<A: Authorize> FromRequestParts<A> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, authorize: &A) -> Result<Self, Response> {
        let session =
            <Session as FromRequestParts<A>>::from_request_parts(parts, authorize).await?;
        let curfew = Curfew::from_request_parts(parts, authorize).await?;
        let path = Path::<OrgInPath>::from_request_parts(parts, authorize).await;
        let Path(OrgInPath { org }) =
            path.map_err(|rejection| problem(rejection.status(), &rejection.body_text()))?;
        if !authorize.authorize(&session, &org).await {
            let title = "you may not administer the sessions of this organization";
            return Err(problem(StatusCode::FORBIDDEN, title));
        }
        Ok(Self { session, curfew, org })
    }
}

/// A policy in JSON. The answer to `GET` may be sent back.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct PolicyBody {
    absolute_seconds: Option<i64>,
    idle_seconds: Option<i64>,
    #[serde(skip_deserializing)]
    since: Option<String>,
}

impl From<Option<PolicyVersion>> for PolicyBody {
    fn from(version: Option<PolicyVersion>) -> Self {
        let policy = version.and_then(|version| version.policy);
        let seconds = |limit: Option<Duration>| limit.map(Duration::whole_seconds);
        Self {
            absolute_seconds: seconds(policy.and_then(|policy| policy.absolute_limit())),
            idle_seconds: seconds(policy.and_then(|policy| policy.idle_limit())),
            since: version.map(|version| version.begins.to_string()),
        }
    }
}

fn checked(
    admin: &Admin,
    body: Result<Json<PolicyBody>, JsonRejection>,
) -> Result<OrgPolicy, Response> {
    let Json(body) = body.map_err(|rejection| unreadable(&rejection))?;
    let (least, most) = admin.curfew.policy_bounds();
    let limit = |field: &str, seconds: Option<i64>| {
        let Some(given) = seconds else {
            return Ok(None);
        };
        let limit = Duration::seconds(given);
        if (least..=most).contains(&limit) {
            return Ok(Some(limit));
        }
        let (least, most) = (least.whole_seconds(), most.whole_seconds());
        let title = format!("{field} is {given}, which is not between {least} and {most}");
        Err(problem_of(field, &title, (least, most)))
    };
    let absolute = limit("absolute_seconds", body.absolute_seconds)?;
    let idle = limit("idle_seconds", body.idle_seconds)?;
    OrgPolicy::try_new(absolute, idle).ok().flatten().ok_or_else(|| {
        let bounds = (least.whole_seconds(), most.whole_seconds());
        let title = "set absolute_seconds or idle_seconds; to have no policy, delete it";
        problem_of("absolute_seconds", title, bounds)
    })
}

#[derive(Serialize)]
struct Changed {
    ends_now: u64,
    shortened: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    at_least: bool,
}

#[derive(Serialize)]
struct Ended {
    ended: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    at_least: bool,
}
