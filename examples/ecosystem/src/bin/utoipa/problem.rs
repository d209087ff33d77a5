//! What the routes answer where they refuse (RFC 9457).

use utoipa::{IntoResponses, ToSchema};

/// Why a request is refused.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is a description")]
pub(crate) struct Problem {
    /// For people, in English.
    title: String,
    /// The same as that of the response.
    status: u16,
    /// Without a session: `anonymous`, or why it ended. Where a fresh login is asked for:
    /// `insufficient_user_authentication`.
    #[schema(required = false)]
    reason: String,
    /// Where to log in.
    #[schema(required = false)]
    login_url: String,
    /// The organization whose policy has ended the session.
    #[schema(required = false)]
    organization: String,
    /// The longest time since the last login, in seconds, where a fresh one is asked for.
    #[schema(required = false)]
    max_age: i64,
    /// The member of the body that is wrong.
    #[schema(required = false)]
    field: String,
    /// The least value of that member.
    #[schema(required = false)]
    minimum: i64,
    /// The greatest value of that member.
    #[schema(required = false)]
    maximum: i64,
}

/// What every route may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is a description")]
pub(crate) enum Refusals {
    /// There is no session, or it has ended.
    #[response(status = 401, content_type = "application/problem+json")]
    NoSession(Problem),
    /// The store does not answer. Try again after the seconds in `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}
