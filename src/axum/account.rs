//! JSON routes for a user's account page: sessions and tokens.

use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use http::request::Parts;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::json::{problem, protected, unreadable};
use crate::clock::Timestamp;
use crate::cookie::SetCookie;
use crate::curfew::{Activity, Curfew, Error};
use crate::reject::problem_with;
use crate::serialize::BoundBy;
use crate::service::Context;
use crate::session::{
    ActiveSession, Deadline, NewSession, Selector, Session, SessionId, SessionKind, is_valid_name,
    shows_nothing,
};

/// Routes by which users list and end their sessions, and issue tokens.
///
/// | request | answer |
/// | --- | --- |
/// | `GET /sessions` | `{"sessions":[…]}`, newest sign-in first |
/// | `DELETE /sessions/{id}` | 204; 404 if the session is not the user's own. Ending a session again is not an error |
/// | `DELETE /sessions` | `{"ended":4}`: all sessions, the current one included |
/// | `DELETE /sessions?except=current` | `{"ended":3}`: all other sessions |
/// | `GET /session` | when the current session ends. Add this path to [`passive`](crate::service::CurfewLayer::passive), so that a page may poll it |
/// | `POST /tokens` with `{"name":"laptop"}` | 201 `{"id":"…","token":"curfew_…"}`. The token is shown only here |
///
/// Each session has this form:
///
/// ```json
/// {
///   "id": "MDEyMzQ1Njc4OWFiY2RlZg",
///   "kind": "browser",
///   "name": null,
///   "device": "Chrome on macOS",
///   "location": "Berlin, Germany",
///   "created_at": "2026-01-01T08:00:00Z",
///   "last_seen_at": "2026-01-03T17:30:00Z",
///   "updated_at": "2026-01-03T17:30:00Z",
///   "ends_at": "2026-01-08T08:00:00Z",
///   "bound_by": { "limit": "absolute", "organization": "acme" },
///   "current": true
/// }
/// ```
///
/// `kind` is `browser` or `token`. `name`, `device`, `location` and `organization` are `null` if
/// unknown, `last_seen_at` for a token that was never used, and `ends_at` and `bound_by` if no
/// limit binds the session. The answer to `GET /session` has this form:
///
/// ```json
/// {
///   "user": "ada",
///   "ends_at": "2026-01-08T08:00:00Z",
///   "ends_in_seconds": 397800,
///   "absolute_ends_at": "2026-01-08T08:00:00Z",
///   "idle_ends_at": "2026-01-31T17:30:00Z",
///   "bound_by": { "limit": "absolute", "organization": "acme" }
/// }
/// ```
///
/// `ends_in_seconds` is rounded down. An answer that ends the current session of a browser also
/// clears its cookie. A token belongs to the organizations of the session that issues it. A token
/// cannot issue tokens (403), so a leaked token cannot be used after it is revoked.
///
/// Errors are `application/problem+json` (RFC 9457): 401 without a session, 403 for cross-site
/// requests, 404, 409 if the cap refuses another session, 422, 503. With
/// [`fresh_within`](super::fresh_within), requests that change state require recent authentication.
///
/// ```
/// use axum::Router;
/// use time::Duration;
/// use tower_curfew::{account_routes, fresh_within};
/// # use tower_curfew::Curfew;
///
/// # fn app(curfew: Curfew) -> Router {
/// let account = account_routes().route_layer(fresh_within(Duration::minutes(15)));
/// Router::new().nest("/account", account).layer(curfew.layer().passive(["/account/session"]))
/// # }
/// ```
pub fn account_routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let routes = Router::new()
        .route("/sessions", get(list).delete(end_all))
        .route("/sessions/{id}", delete(end_one))
        .route("/session", get(current))
        .route("/tokens", post(issue_token));
    protected(routes)
}

async fn list(session: Session, curfew: Curfew) -> Result<Response, Error> {
    let sessions = curfew.list(session.user()).await?;
    let entry = |listed| Entry { session: listed, current: listed.id() == session.id() };
    Ok(Json(List { sessions: sessions.iter().map(entry).collect() }).into_response())
}

async fn end_one(
    session: Session,
    curfew: Curfew,
    OwnId(id): OwnId,
) -> Result<(SetCookie, StatusCode), Response> {
    let which = Selector::user(session.user()).only(id);
    let revoked = curfew.revoke(&session, which).await.map_err(Error::into_response)?;
    // Ending it again is not an error.
    if revoked.sessions == 0 && !curfew.owns(&session, id).await.map_err(Error::into_response)? {
        return Err(no_such_session());
    }
    Ok((revoked.set_cookie, StatusCode::NO_CONTENT))
}

async fn end_all(
    session: Session,
    curfew: Curfew,
    uri: Uri,
) -> Result<(SetCookie, Json<EndedSessions>), Response> {
    let all = Selector::user(session.user());
    let which = match uri.query().unwrap_or_default() {
        "" => all,
        "except=current" => all.except(session.id()),
        // A misspelled parameter must not end more sessions than intended.
        _ => {
            let title = "the query can only be `except=current`";
            return Err(problem(StatusCode::BAD_REQUEST, title));
        }
    };
    let revoked = curfew.revoke(&session, which).await.map_err(Error::into_response)?;
    Ok((revoked.set_cookie, Json(EndedSessions { ended: revoked.sessions })))
}

async fn current(session: Session, Extension(context): Extension<Context>) -> Response {
    if context.activity == Activity::Active {
        context.curfew.advise_on_passive_route();
    }
    let at = |end: &Option<Deadline>| end.as_ref().map(|end| end.at);
    let left = |ends_at: Timestamp| ends_at.since(session.checked_at()).whole_seconds();
    Json(Current {
        user: session.user(),
        ends_at: session.ends_at(),
        ends_in_seconds: session.ends_at().map(left),
        absolute_ends_at: at(&session.schedule().absolute),
        idle_ends_at: at(&session.schedule().idle),
        bound_by: session.bound_by().map(BoundBy::from),
    })
    .into_response()
}

async fn issue_token(
    session: Session,
    curfew: Curfew,
    body: Result<Json<Named>, JsonRejection>,
) -> Result<(StatusCode, Json<Issued>), Response> {
    let Json(Named { name }) = body.map_err(|rejection| unreadable(&rejection))?;
    if session.kind() == SessionKind::Token {
        let title = "a token issues no tokens; sign in with a browser to issue one";
        return Err(problem(StatusCode::FORBIDDEN, title));
    }
    let name = name.trim();
    if !is_valid_name(name) || name.contains(char::is_control) || shows_nothing(name) {
        let title = "name must have 1 to 512 bytes, something to see, and no control characters";
        let refused =
            problem_with(StatusCode::UNPROCESSABLE_ENTITY, title, Field { field: "name" });
        return Err(refused.map(Body::from));
    }
    let new = NewSession::for_user(session.user()).orgs(session.orgs()).named(name);
    let issued = curfew.issue_token(&session, new).await.map_err(Error::into_response)?;
    let body = Issued { id: issued.id().to_string(), token: issued.token().to_owned() };
    Ok((StatusCode::CREATED, Json(body)))
}

/// The id in the path. An invalid id gets the same answer as the id of another user's session.
/// Other parameters in the path belong to the place where the routes are mounted.
struct OwnId(SessionId);

#[derive(Deserialize)]
struct IdInPath {
    id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for OwnId {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let path = Path::<IdInPath>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(IdInPath { id })| id.parse().ok());
        id.map(Self).ok_or_else(no_such_session)
    }
}

fn no_such_session() -> Response {
    problem(StatusCode::NOT_FOUND, "you have no such session")
}

#[derive(Serialize)]
struct List<'a> {
    sessions: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    session: &'a ActiveSession,
    current: bool,
}

#[derive(Serialize)]
struct Current<'a> {
    user: &'a str,
    ends_at: Option<Timestamp>,
    ends_in_seconds: Option<i64>,
    absolute_ends_at: Option<Timestamp>,
    idle_ends_at: Option<Timestamp>,
    bound_by: Option<BoundBy<'a>>,
}

#[derive(Serialize)]
struct EndedSessions {
    ended: u64,
}

/// The field of the body that is wrong.
#[derive(Serialize)]
struct Field {
    field: &'static str,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Serialize)]
struct Issued {
    id: String,
    token: String,
}
