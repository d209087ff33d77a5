//! The description of `account_routes`.

#![expect(dead_code, reason = "the handlers are those of the crate")]

use utoipa::ToSchema;

use crate::problem::{Problem, Refusals};

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, end_one, end_all, current, issue_token),
    components(schemas(Except, Problem))
)]
pub(crate) struct Description;

/// Lists the active sessions and tokens of the user, newest login first.
#[utoipa::path(get, path = "/sessions", tag = "account", responses(
    (status = 200, description = "The sessions.", body = Sessions),
    Refusals
))]
fn list() {}

/// Ends one of the user's sessions. To end it again is no error.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "account",
    params(("id" = String, Path, description = "The `id` of the session.")),
    responses(
        (status = 204, description = "It has ended. The cookie of the current session is cleared."),
        (status = 403, description = "Another site has sent the request, or the login is not fresh.",
            body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The user has no such session.",
            body = Problem, content_type = "application/problem+json"),
        Refusals
    ))]
fn end_one() {}

/// Ends all sessions and tokens of the user, or all but the current one.
#[utoipa::path(delete, path = "/sessions", tag = "account",
    params(("except" = Option<Except>, Query, description = "Which one goes on.")),
    responses(
        (status = 200, description = "How many have ended.", body = EndedSessions),
        (status = 400, description = "The query is another one.",
            body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Another site has sent the request.",
            body = Problem, content_type = "application/problem+json"),
        Refusals
    ))]
fn end_all() {}

/// Says when the current session ends. It is no activity if the app names its path as passive.
#[utoipa::path(get, path = "/session", tag = "account", responses(
    (status = 200, description = "The current session.", body = CurrentSession),
    Refusals
))]
fn current() {}

/// Issues a token for a program. The token is shown only here.
#[utoipa::path(post, path = "/tokens", tag = "account", request_body = NewToken,
    responses(
        (status = 201, description = "The token.", body = IssuedToken),
        (status = 400, description = "The body is no JSON.",
            body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "A token asks for it, or another site has sent the request.",
            body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The user has as many sessions as one may have.",
            body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too long.",
            body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body does not say that it is JSON.",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The name is missing, too long, or shows nothing.",
            body = Problem, content_type = "application/problem+json"),
        Refusals
    ))]
fn issue_token() {}

#[derive(ToSchema)]
struct Sessions {
    sessions: Vec<ListedSession>,
}

#[derive(ToSchema)]
struct ListedSession {
    /// It names the session, and logs nobody in.
    #[schema(example = "MDEyMzQ1Njc4OWFiY2RlZg")]
    id: String,
    kind: Kind,
    /// What the owner calls a token.
    #[schema(required)]
    name: Option<String>,
    #[schema(required, example = "Chrome on macOS")]
    device: Option<String>,
    #[schema(required, example = "Berlin, Germany")]
    location: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// `null` for a token that was never used.
    #[schema(required, format = DateTime)]
    last_seen_at: Option<String>,
    /// When it was last seen, or its end was last moved.
    #[schema(format = DateTime)]
    updated_at: String,
    /// `null` where no limit binds the session.
    #[schema(required, format = DateTime)]
    ends_at: Option<String>,
    #[schema(required)]
    bound_by: Option<BoundBy>,
    /// Whether it is the session that asks.
    current: bool,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Kind {
    Browser,
    Token,
}

/// Which limit ends the session.
#[derive(ToSchema)]
struct BoundBy {
    limit: Limit,
    /// The organization whose limit it is; `null` if it is the app's.
    #[schema(required)]
    organization: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Limit {
    /// Counted from the login.
    Absolute,
    /// Counted from the last activity.
    Idle,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Except {
    Current,
}

#[derive(ToSchema)]
struct EndedSessions {
    ended: u64,
}

#[derive(ToSchema)]
struct CurrentSession {
    user: String,
    /// `null` where no limit binds the session.
    #[schema(required, format = DateTime)]
    ends_at: Option<String>,
    /// Rounded down.
    #[schema(required)]
    ends_in_seconds: Option<i64>,
    #[schema(required, format = DateTime)]
    absolute_ends_at: Option<String>,
    #[schema(required, format = DateTime)]
    idle_ends_at: Option<String>,
    #[schema(required)]
    bound_by: Option<BoundBy>,
}

#[derive(ToSchema)]
struct NewToken {
    /// 1 to 512 bytes, something to see, and no control characters.
    #[schema(min_length = 1, max_length = 512, example = "laptop")]
    name: String,
}

#[derive(ToSchema)]
struct IssuedToken {
    /// It names the session of the token, and logs nobody in.
    id: String,
    /// What the program presents: `Authorization: Bearer curfew_…`.
    #[schema(pattern = "^curfew_")]
    token: String,
}
