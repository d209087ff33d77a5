//! The description of `org_routes`.

#![expect(dead_code, reason = "the handlers are those of the crate")]

use utoipa::{IntoResponses, ToSchema};

use crate::problem::{Problem, Refusals};

#[derive(utoipa::OpenApi)]
#[openapi(paths(policy, set_policy, clear_policy, preview, revoke), components(schemas(Problem)))]
pub(crate) struct Description;

/// Shows the policy of the organization.
#[utoipa::path(get, path = "/organizations/{org}/policy", tag = "organizations",
    params(("org" = String, Path, description = "The name of the organization.")),
    responses(
        (status = 200, description = "The policy, of nulls if there is none.", body = Policy),
        NotAdmin, Refusals
    ))]
fn policy() {}

/// Sets the policy of the organization. It binds each session from its next request on.
#[utoipa::path(put, path = "/organizations/{org}/policy", tag = "organizations",
    params(("org" = String, Path, description = "The name of the organization.")),
    request_body = NewPolicy,
    responses(
        (status = 200, description = "What it did to the sessions that live.", body = Changed),
        (status = 409, description = "The policy was changed too often.",
            body = Problem, content_type = "application/problem+json"),
        NotAdmin, BadPolicy, Refusals
    ))]
fn set_policy() {}

/// Removes the policy of the organization. Ends that are scheduled stay.
#[utoipa::path(delete, path = "/organizations/{org}/policy", tag = "organizations",
    params(("org" = String, Path, description = "The name of the organization.")),
    responses(
        (status = 200, description = "The policy, now of nulls.", body = Policy),
        (status = 409, description = "The policy was changed too often.",
            body = Problem, content_type = "application/problem+json"),
        NotAdmin, Refusals
    ))]
fn clear_policy() {}

/// Says what a policy would do, and changes nothing.
#[utoipa::path(post, path = "/organizations/{org}/policy/preview", tag = "organizations",
    params(("org" = String, Path, description = "The name of the organization.")),
    request_body = NewPolicy,
    responses(
        (status = 200, description = "What it would do to the sessions that live.", body = Preview),
        NotAdmin, BadPolicy, Refusals
    ))]
fn preview() {}

/// Ends all sessions of the organization, one's own included if it belongs to it.
#[utoipa::path(post, path = "/organizations/{org}/revoke", tag = "organizations",
    params(("org" = String, Path, description = "The name of the organization.")),
    responses(
        (status = 200, description = "How many have ended.", body = Ended),
        NotAdmin, Refusals
    ))]
fn revoke() {}

/// Limits in whole seconds, at least one of both kinds, within the bounds of the app.
#[derive(ToSchema)]
struct NewPolicy {
    /// Counted from the login.
    absolute_seconds: Option<i64>,
    /// Counted from the last activity.
    idle_seconds: Option<i64>,
}

/// `null` where there is no such limit. It may be sent back as it is.
#[derive(ToSchema)]
struct Policy {
    /// Counted from the login.
    #[schema(required)]
    absolute_seconds: Option<i64>,
    /// Counted from the last activity.
    #[schema(required)]
    idle_seconds: Option<i64>,
    /// When the organization got or lost it; `null` if it never had any.
    #[schema(required, format = DateTime)]
    since: Option<String>,
}

#[derive(ToSchema)]
struct Changed {
    /// How many sessions end at their next request.
    ends_now: u64,
    /// How many end earlier than scheduled before, but not at once.
    shortened: u64,
    /// Whether there may be more.
    #[schema(required = false)]
    at_least: bool,
}

#[derive(ToSchema)]
struct Preview {
    /// How many sessions would end at their next request.
    ends_now: u64,
    /// How many would end earlier than now scheduled, but not at once.
    shortened: u64,
    /// Whether there may be more.
    #[schema(required = false)]
    at_least: bool,
    own_session: Effect,
}

/// What happens to the session that asks.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Effect {
    Ends,
    Shortened,
    Unchanged,
}

#[derive(ToSchema)]
struct Ended {
    ended: u64,
    /// Whether there may be more.
    #[schema(required = false)]
    at_least: bool,
}

#[derive(IntoResponses)]
enum NotAdmin {
    /// The user may not administer this organization, or another site has sent the request.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
}

#[derive(IntoResponses)]
enum BadPolicy {
    /// The body is no JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    NoJson(Problem),
    /// The body is too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLong(Problem),
    /// The body does not say that it is JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    OtherType(Problem),
    /// A limit is out of bounds, which are named, or there is none.
    #[response(status = 422, content_type = "application/problem+json")]
    OutOfBounds(Problem),
}
