//! The router and its layers.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use tower_curfew::clock::Clock;
use tower_curfew::{Curfew, Limit, Limits, Session};
use tower_curfew::{account_routes, org_routes};
use tower_http::csrf::CsrfLayer;

use crate::hashing::Hashing;
use crate::page::{Refusal, Viewer};
use crate::{account, admin, sign_in, tokens, users, words};

/// What the pages know besides the sessions.
#[derive(Clone)]
pub(crate) struct App {
    /// What the app itself demands of sessions, to tell people why theirs ended.
    pub(crate) limits: Limits,
    /// The same as that of the sessions.
    pub(crate) clock: Arc<dyn Clock>,
    /// For the passwords of those who sign in.
    pub(crate) hashing: Hashing,
}

pub(crate) fn app(curfew: &Curfew, limits: Limits, clock: impl Clock) -> Router {
    let pages = Router::new()
        .route("/", get(home))
        .route("/stay", post(stay))
        .merge(sign_in::routes())
        .merge(account::routes())
        .merge(tokens::routes())
        .merge(admin::routes())
        .with_state(App { limits, clock: Arc::new(clock), hashing: Hashing::default() });
    let api = account_routes().merge(org_routes(is_admin));
    Router::new()
        .merge(pages)
        .nest("/api", api)
        .route("/assets/openapi.json", get(description))
        .route("/assets/style.css", get(style))
        .route("/assets/session.js", get(async || script(include_str!("assets/session.js"))))
        .route("/assets/copy.js", get(async || script(include_str!("assets/copy.js"))))
        .fallback(async || Refusal::not_found())
        .layer(curfew.layer().open(["/assets/*"]).passive(["/api/session"]))
        // Other sites must not make a browser change anything.
        .layer(CsrfLayer::new())
        .layer(map_response(protected))
}

/// Who may administer an organization is for the app to say.
pub(crate) async fn is_admin(session: Session, org: String) -> bool {
    users::administered_by(session.user()).any(|its| its == org)
}

async fn home(viewer: Viewer) -> Markup {
    let content = html! {
        p { "Signed in as " strong { (viewer.user()) } }
        p {
            @match viewer.bound_by() {
                None => "Your session ends when you sign out.",
                Some(end) => {
                    "Your session ends in " (words::about(end.at.since(viewer.now))) " ("
                    time datetime=(end.at) { (words::exact(end.at)) } ")"
                    @if end.limit == Limit::Idle { ", unless you come back before then" }
                    @if let Some(org) = &end.org { ", because of " (org) }
                    "."
                }
            }
        }
        p { a href="/settings/account/sessions" { "See where you are signed in" } }
    };
    viewer.page("Home", &content)
}

/// "Stay signed in": like any request it is activity, and there is nothing more to do.
async fn stay(_: Session) -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css")], include_str!("assets/style.css"))
}

/// Of the routes below `/api`, as `examples/ecosystem` has written it.
async fn description() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("assets/openapi.json"))
}

fn script(text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript")], text)
}

/// Nothing but the app's own files runs in its pages, no other site frames them, and the back
/// button shows none of them after a sign-out.
async fn protected(mut response: Response) -> Response {
    const CONTENT: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                           connect-src 'self'; img-src 'self' data:; form-action 'self'; \
                           base-uri 'none'; frame-ancestors 'none'";
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
