//! An admin shortens the sessions of an organization, sees first whom that signs out, and revokes
//! all of them. Everything is in memory.
//!
//! ```text
//! cargo run --example org_policy
//! ```
//!
//! `ada` belongs to acme; `grace` too, and is its admin. With curl, which takes the place of both
//! browsers:
//!
//! ```text
//! $ api=localhost:3000/api/organizations/acme
//! $ json='Content-Type: application/json'
//! $ curl -sc ada   -X POST localhost:3000/login/ada
//! $ curl -sc grace -X POST localhost:3000/login/grace
//! $ curl -sb grace $api/policy
//! {"absolute_seconds":null,"idle_seconds":null,"since":null}
//! $ curl -sb grace -H "$json" -d '{"absolute_seconds":604800}' $api/policy/preview
//! {"ends_now":0,"shortened":2,"own_session":"shortened"}
//! $ curl -sb grace -H "$json" -X PUT -d '{"absolute_seconds":604800}' $api/policy
//! {"ends_now":0,"shortened":2}
//! $ curl -sb ada localhost:3000
//! ada, until 2026-… because of acme
//! $ curl -sb ada -X POST $api/revoke
//! {"title":"you may not administer the sessions of this organization","status":403}
//! $ curl -sb grace -X POST $api/revoke
//! {"ended":2}
//! $ curl -sb ada localhost:3000
//! {"title":"sign in to continue","status":401,"reason":"revoked","login_url":"/login","organization":"acme"}
//! ```

use std::env;

use anyhow::Context;
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tower_curfew::org_routes;
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, Error, Keyring, NewSession, Session, SetCookie};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells where it listens")]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build()?;

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}; set ADDR to listen elsewhere"))?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(&curfew)).await?;
    Ok(())
}

fn app(curfew: &Curfew) -> Router {
    Router::new()
        .route("/", get(home))
        // A real app asks for a password here.
        .route("/login/{user}", post(sign_in))
        .nest("/api", org_routes(is_admin))
        .layer(curfew.layer())
}

/// Who may administer an organization is for the app to say.
async fn is_admin(session: Session, org: String) -> bool {
    session.user() == "grace" && org == "acme"
}

async fn sign_in(
    curfew: Curfew,
    client: ClientInfo,
    Path(user): Path<String>,
) -> Result<SetCookie, Error> {
    curfew.start(NewSession::for_user(user).orgs(["acme"]), &client).await
}

async fn home(session: Session) -> String {
    let user = session.user();
    match session.bound_by() {
        Some(end) => {
            let org = end.org.as_deref().unwrap_or("the app");
            format!("{user}, until {} because of {org}\n", end.at)
        }
        None => format!("{user}, for ever\n"),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
    use axum::http::{HeaderValue, Request};
    use time::Duration;
    use tower::ServiceExt;
    use tower_curfew::clock::ManualClock;

    use super::*;

    const WEEK: &str = r#"{"absolute_seconds":604800}"#;

    /// The status, the body, and the cookie if one was set.
    async fn send(
        app: &Router,
        method: &str,
        path: &str,
        cookie: Option<&HeaderValue>,
        body: &'static str,
    ) -> (u16, String, Option<HeaderValue>) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        if let Some(cookie) = cookie {
            request.headers_mut().insert(COOKIE, cookie.clone());
        }
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let set = response.headers().get(SET_COOKIE).map(|set| {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            HeaderValue::from_str(pair).unwrap()
        });
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.into()).unwrap(), set)
    }

    #[tokio::test]
    async fn the_dialogue_of_the_first_lines() {
        let clock = ManualClock::default();
        let curfew = Curfew::builder(MemoryStore::new(), Keyring::from_bytes([7; 32]).unwrap())
            .clock(clock.clone())
            .build()
            .unwrap();
        let app = app(&curfew);
        let ada = send(&app, "POST", "/login/ada", None, "").await.2;
        let grace = send(&app, "POST", "/login/grace", None, "").await.2;
        let api = "/api/organizations/acme";
        let ask = async |method, path: &str, cookie: &Option<HeaderValue>, body| {
            let (status, body, _) = send(&app, method, path, cookie.as_ref(), body).await;
            (status, body)
        };
        let says = |status, body: &str| (status, body.to_owned());

        let (policy, preview) = (format!("{api}/policy"), format!("{api}/policy/preview"));
        let none = r#"{"absolute_seconds":null,"idle_seconds":null,"since":null}"#;
        assert_eq!(ask("GET", &policy, &grace, "").await, says(200, none));
        let foretold = r#"{"ends_now":0,"shortened":2,"own_session":"shortened"}"#;
        assert_eq!(ask("POST", &preview, &grace, WEEK).await, says(200, foretold));
        let done = r#"{"ends_now":0,"shortened":2}"#;
        assert_eq!(ask("PUT", &policy, &grace, WEEK).await, says(200, done));
        let until = "ada, until 2026-01-08T00:00:00Z because of acme\n";
        assert_eq!(ask("GET", "/", &ada, "").await, says(200, until));

        let revoke = format!("{api}/revoke");
        assert_eq!(ask("POST", &revoke, &ada, "").await.0, 403);
        clock.advance(Duration::MINUTE);
        assert_eq!(ask("POST", &revoke, &grace, "").await, says(200, r#"{"ended":2}"#));
        for cookie in [&ada, &grace] {
            let (status, body) = ask("GET", "/", cookie, "").await;
            assert_eq!(status, 401);
            assert!(body.contains(r#""reason":"revoked""#), "{body}");
            assert!(body.contains(r#""organization":"acme""#), "{body}");
        }
    }
}
