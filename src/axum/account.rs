//! JSON routes for the account page of a person: their sessions and tokens.

use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::request::Parts;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::json::{problem, protected, unreadable};
use crate::clock::Timestamp;
use crate::cookie::SetCookie;
use crate::curfew::{Curfew, Error};
use crate::limits::Limit;
use crate::reject::problem_with;
use crate::session::{
    ActiveSession, Deadline, NewSession, Selector, Session, SessionId, SessionKind, is_valid_name,
    shows_nothing,
};

/// Routes by which people see their active sessions, end them, and issue tokens.
///
/// | request | answer |
/// | --- | --- |
/// | `GET /sessions` | `{"sessions":[…]}`, newest sign-in first |
/// | `DELETE /sessions/{id}` | 204; 404 for whatever is none of one's own. To end one again is no error |
/// | `DELETE /sessions` | `{"ended":4}`: all, the current one included |
/// | `DELETE /sessions?except=current` | `{"ended":3}`: all others |
/// | `GET /session` | when the current one ends. It is no activity, so that a page may ask again and again |
/// | `POST /tokens` of `{"name":"laptop"}` | 201 `{"id":"…","token":"curfew_…"}`. The token is shown only here |
///
/// Each of the sessions is
///
/// ```json
/// {
///   "id": "MDEyMzQ1Njc4OWFiY2RlZg",
///   "kind": "browser",
///   "name": null,
///   "device": "Chrome on macOS",
///   "location": "Berlin, Germany",
///   "created_at": "2026-01-01T08:00:00Z",
///   "updated_at": "2026-01-03T17:30:00Z",
///   "ends_at": "2026-01-08T08:00:00Z",
///   "bound_by": { "limit": "absolute", "organization": "acme" },
///   "current": true
/// }
/// ```
///
/// `kind` is `browser` or `token`; `name`, `device`, `location` and `organization` are `null` where
/// nothing is known, and `ends_at` and `bound_by` where no limit binds the session. `GET /session` is
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
/// where `ends_in_seconds` is rounded down. An answer that ends the current session of a browser
/// also clears its cookie. A token belongs to the organizations of the session that issues it; a
/// token issues no tokens (403), so that whoever finds one cannot stay when it is revoked.
///
/// Errors are `application/problem+json` (RFC 9457): 401 without a session, 403 for requests that
/// another site caused, 404, 409 where a cap refuses one more session, 422, 503. With
/// [`fresh_within`](super::fresh_within) the changing ones want a fresh sign-in.
///
/// ```
/// use axum::Router;
/// use time::Duration;
/// use tower_curfew::{account_routes, fresh_within};
/// # use tower_curfew::Curfew;
///
/// # fn app(curfew: Curfew) -> Router {
/// let account = account_routes().route_layer(fresh_within(Duration::minutes(15)));
/// Router::new().nest("/account", account).layer(curfew.layer())
/// # }
/// ```
pub fn account_routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let routes = Router::new()
        .route("/sessions", get(list).delete(end_all))
        .route("/sessions/{id}", delete(end_one))
        // The layer knows this path: asking is no activity.
        .route("/session", get(current))
        .route("/tokens", post(issue_token));
    protected(routes)
}

async fn list(session: Session, curfew: Curfew) -> Result<Json<List>, Error> {
    let sessions = curfew.list(session.user()).await?;
    let entry = |listed: &ActiveSession| Entry::of(listed, session.id());
    Ok(Json(List { sessions: sessions.iter().map(entry).collect() }))
}

async fn end_one(
    session: Session,
    curfew: Curfew,
    OwnId(id): OwnId,
) -> Result<(SetCookie, StatusCode), Response> {
    if id == session.id() {
        let cookie = curfew.end(&session).await.map_err(Error::into_response)?;
        return Ok((cookie, StatusCode::NO_CONTENT));
    }
    let ended = curfew.end_own(&session, id).await.map_err(Error::into_response)?;
    if ended { Ok((SetCookie::nothing(), StatusCode::NO_CONTENT)) } else { Err(no_such_session()) }
}

async fn end_all(
    session: Session,
    curfew: Curfew,
    uri: Uri,
) -> Result<(SetCookie, Json<EndedSessions>), Response> {
    let all = Selector::user(session.user());
    let (which, cookie) = match uri.query().unwrap_or_default() {
        "" => (all, curfew.clearing_cookie(&session)),
        "except=current" => (all.except(session.id()), SetCookie::nothing()),
        // Whoever misspells it wants to keep something.
        _ => {
            let title = "the query can only be `except=current`";
            return Err(problem(StatusCode::BAD_REQUEST, title));
        }
    };
    let ended = curfew.revoke(which).await.map_err(Error::into_response)?;
    Ok((cookie, Json(EndedSessions { ended })))
}

async fn current(session: Session) -> Json<Current> {
    let at = |end: &Option<Deadline>| end.as_ref().map(|end| end.at.to_string());
    Json(Current {
        user: session.user().to_owned(),
        ends_at: session.ends_at().map(spelled),
        ends_in_seconds: session.ends_at().map(|at| at.since(session.checked_at()).whole_seconds()),
        absolute_ends_at: at(&session.schedule().absolute),
        idle_ends_at: at(&session.schedule().idle),
        bound_by: session.bound_by().map(BoundBy::of),
    })
}

async fn issue_token(
    session: Session,
    curfew: Curfew,
    body: Result<Json<Named>, JsonRejection>,
) -> Result<(StatusCode, SetCookie, Json<Issued>), Response> {
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
    let issued = curfew.issue_for(new, &session).await.map_err(Error::into_response)?;
    let (issued, took_its_place) = issued;
    let cookie =
        if took_its_place { curfew.clearing_cookie(&session) } else { SetCookie::nothing() };
    let body = Issued { id: issued.id().to_string(), token: issued.token().to_owned() };
    Ok((StatusCode::CREATED, cookie, Json(body)))
}

/// The id in the path. Whatever is none answers like a stranger's. The other parameters that the
/// path may have belong to where the routes are mounted.
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
struct List {
    sessions: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    kind: &'static str,
    name: Option<String>,
    device: Option<String>,
    location: Option<String>,
    created_at: String,
    updated_at: String,
    ends_at: Option<String>,
    bound_by: Option<BoundBy>,
    current: bool,
}

impl Entry {
    fn of(listed: &ActiveSession, current: SessionId) -> Self {
        Self {
            id: listed.id().to_string(),
            kind: match listed.kind() {
                SessionKind::Browser | SessionKind::BrowserUntilClosed => "browser",
                SessionKind::Token => "token",
            },
            name: listed.name().map(str::to_owned),
            device: listed.client().device.as_deref().map(str::to_owned),
            location: listed.client().location.as_deref().map(str::to_owned),
            created_at: spelled(listed.created_at()),
            updated_at: spelled(listed.updated_at()),
            ends_at: listed.ends_at().map(spelled),
            bound_by: listed.bound_by().map(BoundBy::of),
            current: listed.id() == current,
        }
    }
}

#[derive(Serialize)]
struct BoundBy {
    limit: &'static str,
    organization: Option<String>,
}

impl BoundBy {
    fn of(end: &Deadline) -> Self {
        let limit = match end.limit {
            Limit::Absolute => "absolute",
            Limit::Idle => "idle",
        };
        Self { limit, organization: end.org.as_deref().map(str::to_owned) }
    }
}

#[derive(Serialize)]
struct Current {
    user: String,
    ends_at: Option<String>,
    ends_in_seconds: Option<i64>,
    absolute_ends_at: Option<String>,
    idle_ends_at: Option<String>,
    bound_by: Option<BoundBy>,
}

/// As RFC 3339 writes it.
fn spelled(at: Timestamp) -> String {
    at.to_string()
}

#[derive(Serialize)]
struct EndedSessions {
    ended: u64,
}

/// Which field of the body is meant.
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
