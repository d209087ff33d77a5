//! The OpenAPI description of the JSON routes `account_routes` and `org_routes`, for clients that
//! are generated and for pages that show it.
//!
//! ```text
//! cargo run --manifest-path examples/ecosystem/Cargo.toml --bin utoipa
//! ```
//!
//! ```text
//! $ curl -s localhost:3000/openapi.json
//! {"openapi":"3.1.0","info":{"title":"Sessions",…
//! $ curl -sc jar -d 'username=ada&password=lovelace' localhost:3000/login
//! $ curl -sb jar localhost:3000/api/session
//! {"user":"ada","ends_at":"2026-…","ends_in_seconds":2419199,…}
//! ```
//!
//! The routes are those of the crate. Their description stands in `account.rs` and `orgs.rs`, in the
//! order of the crate's documentation; copy these files if your app offers the routes. The tests
//! compare it with the routes and with what they answer.

mod account;
mod orgs;
mod problem;
#[cfg(test)]
mod tests;

use axum::routing::get;
use axum::{Json, Router};
use ecosystem::login_routes;
use tower_curfew::store::MemoryStore;
use tower_curfew::{Curfew, Keyring, Session, account_routes, org_routes};
use tower_http::csrf::CsrfLayer;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build()?;
    ecosystem::serve(app(&curfew)).await
}

fn app(curfew: &Curfew) -> Router {
    let (routes, document) = described();
    routes
        .route("/openapi.json", get(async move || Json(document)))
        // Other sites must not make a browser log in or out. The routes of the crate see to that
        // themselves, and say so as they are described to.
        .merge(login_routes().layer(CsrfLayer::new()))
        .layer(curfew.layer().passive(["/api/session"]))
}

/// The routes, and their description. Where they are mounted is said once, for both.
fn described() -> (Router, OpenApi) {
    let account = OpenApiRouter::with_openapi(account::Description::openapi());
    let orgs = OpenApiRouter::with_openapi(orgs::Description::openapi());
    let api = account.merge(account_routes().into()).merge(orgs.merge(org_routes(is_admin).into()));
    OpenApiRouter::with_openapi(Description::openapi()).nest("/api", api).split_for_parts()
}

/// A real app asks its database here.
async fn is_admin(session: Session, org: String) -> bool {
    session.user() == "ada" && org == "acme"
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Sessions",
        description = "Sessions and tokens of a user, and the policies of organizations.",
        version = "1"
    ),
    modifiers(&Credentials),
    security(("cookie" = []), ("token" = []))
)]
struct Description;

/// Either of them will do.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
            "__Host-Http-session",
            "What a browser has after the login.",
        ));
        let mut token = Http::new(HttpAuthScheme::Bearer);
        token.description = Some("What POST /tokens has issued.".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
        components.add_security_scheme("token", SecurityScheme::Http(token));
    }
}
