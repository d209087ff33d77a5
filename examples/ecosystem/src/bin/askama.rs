//! Templates of askama that know the session: the layout greets the user, says why a session has
//! ended, or asks the user to log in.
//!
//! ```text
//! cargo run --manifest-path examples/ecosystem/Cargo.toml --bin askama
//! ```
//!
//! Then open <http://localhost:3000> and log in as `ada` with `lovelace`, or talk to it with curl:
//!
//! ```text
//! $ curl -s localhost:3000 | grep Log
//!   <a href="/login">Log in</a>
//! $ curl -sc jar -d 'username=ada&password=lovelace' localhost:3000/login
//! $ curl -sb jar localhost:3000 | grep Log
//!     Logged in as <strong>ada</strong> <button>Log out</button>
//! $ curl -sb jar -X POST localhost:3000/logout
//! $ curl -sb jar localhost:3000 | grep status
//!   <p role="status">You logged out, or were logged out from elsewhere.</p>
//! ```

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use ecosystem::login_routes;
use tower_curfew::store::MemoryStore;
use tower_curfew::{ActiveSession, Curfew, EndReason, Ended, Error, Keyring, Presence, Session};
use tower_http::csrf::CsrfLayer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build()?;
    ecosystem::serve(app(&curfew)).await
}

fn app(curfew: &Curfew) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/sessions", get(sessions))
        .merge(login_routes())
        // A user whose session has ended stays on the home page, which says why.
        .layer(curfew.layer().open(["/"]))
        // Other sites must not make a browser log in or out.
        .layer(CsrfLayer::new())
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    presence: Presence,
}

async fn home(presence: Presence) -> Response {
    page(&Home { presence })
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Sessions {
    presence: Presence,
    sessions: Vec<ActiveSession>,
}

impl Sessions {
    fn is_current(&self, listed: &ActiveSession) -> bool {
        self.presence.session().is_some_and(|current| current.id() == listed.id())
    }
}

/// It asks for a `Session`, so a user without one is sent to the login page.
async fn sessions(session: Session, curfew: Curfew) -> Result<Response, Error> {
    let sessions = curfew.list(session.user()).await?;
    Ok(page(&Sessions { presence: Presence::Live(session), sessions }))
}

/// What the layout says where a session has ended.
fn why(ended: &Ended) -> &'static str {
    match ended.reason {
        EndReason::Idle => "You were logged out because you were away for too long.",
        EndReason::Absolute => "You were logged out because you logged in too long ago.",
        EndReason::Revoked => "You logged out, or were logged out from elsewhere.",
    }
}

/// A page that the back button does not show again to the next user of the browser.
fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => ([(CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::LOCATION;
    use ecosystem::testing::{ask, cookies_set, handle, logged_in, send, send_form, text, visit};
    use time::Duration;
    use tower_curfew::clock::ManualClock;

    use super::*;

    async fn page_of(app: &Router, cookie: &HeaderValue, path: &str) -> String {
        let response = ask(app, cookie, visit(path)).await;
        assert_eq!(response.status(), StatusCode::OK);
        text(response).await
    }

    #[tokio::test]
    async fn the_layout_knows_who_is_logged_in() {
        let curfew = handle(&ManualClock::default()).build().unwrap();
        let app = app(&curfew);
        let anonymous = text(send(&app, visit("/")).await).await;
        assert!(anonymous.contains(r#"<a href="/login">Log in</a>"#), "{anonymous}");
        assert!(!anonymous.contains("Log out"), "{anonymous}");

        let login = send(&app, send_form("/login", "username=ada&password=lovelace")).await;
        let cookie = cookies_set(&login)[0].split(';').next().unwrap().parse().unwrap();
        let home = page_of(&app, &cookie, "/").await;
        assert!(home.contains("Logged in as <strong>ada</strong>"), "{home}");
        assert!(home.contains(">2026-01-29T00:00:00Z</time>"), "{home}");
        assert!(!home.contains("Log in"), "{home}");

        ask(&app, &cookie, send_form("/logout", "")).await;
        let after = page_of(&app, &cookie, "/").await;
        assert!(after.contains("You logged out, or were logged out from elsewhere."), "{after}");
        assert!(!after.contains("ada"), "{after}");
    }

    #[tokio::test]
    async fn the_layout_says_why_a_session_has_ended() {
        let clock = ManualClock::default();
        let curfew = handle(&clock).build().unwrap();
        let app = app(&curfew);
        let cookie = logged_in(&curfew, "ada").await;
        clock.advance(Duration::days(28) + Duration::MILLISECOND);
        let home = page_of(&app, &cookie, "/").await;
        assert!(home.contains("away for too long"), "{home}");

        let elsewhere = ask(&app, &cookie, visit("/sessions")).await;
        assert_eq!(elsewhere.headers()[LOCATION], "/login?return_to=%2Fsessions&reason=idle");
    }

    #[tokio::test]
    async fn what_users_and_browsers_are_called_is_text_and_no_markup() {
        let name = |_: &_| Some("<Browser>".to_owned());
        let builder = handle(&ManualClock::default()).name_devices_with(name);
        let curfew = builder.build().unwrap();
        let app = app(&curfew);
        let (here, _there) = (logged_in(&curfew, "<ada>").await, logged_in(&curfew, "<ada>").await);
        let sessions = page_of(&app, &here, "/sessions").await;
        assert!(sessions.contains("Logged in as <strong>&#60;ada&#62;</strong>"), "{sessions}");
        assert_eq!(sessions.matches("<li>").count(), 2, "{sessions}");
        assert_eq!(sessions.matches("<mark>Current</mark>").count(), 1, "{sessions}");
        assert!(!sessions.contains("<ada>") && !sessions.contains("<Browser>"), "{sessions}");
    }
}
