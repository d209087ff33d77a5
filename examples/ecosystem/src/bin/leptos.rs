//! Server functions of Leptos behind the session layer: one that logs in, one that wants a session,
//! and one that logs out. The code that runs in the browser is left out.
//!
//! ```text
//! cargo run --manifest-path examples/ecosystem/Cargo.toml --bin leptos
//! ```
//!
//! With curl, in the place of the code in the browser:
//!
//! ```text
//! $ api=localhost:3000/api
//! $ curl -sX POST $api/who_am_i
//! {"title":"sign in to continue","status":401,"reason":"anonymous","login_url":"/login"}
//! $ curl -sc jar -d 'username=ada&password=lovelace' $api/log_in
//! null
//! $ curl -sb jar -X POST $api/who_am_i
//! {"user":"ada","ends_at":"2026-…"}
//! $ curl -sb jar -X POST $api/log_out
//! null
//! $ curl -sb jar -X POST $api/who_am_i
//! {"title":"sign in to continue","status":401,"reason":"revoked","login_url":"/login"}
//! ```

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::routing::post;
use leptos::prelude::*;
use leptos::server_fn::codec::JsonEncoding;
use leptos_axum::{ResponseOptions, extract, handle_server_fns};
use serde::{Deserialize, Serialize};
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, Error, Keyring, NewSession, Session, SetCookie};
use tower_http::csrf::CsrfLayer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build()?;
    ecosystem::serve(app(&curfew)).await
}

/// Pages would come beside the server functions, behind a layer of their own that is not
/// `required`.
fn app(curfew: &Curfew) -> Router {
    Router::new()
        .route("/api/{*function}", post(handle_server_fns))
        // It answers for each function but one that there is no session: the code in the browser
        // gets 401 with JSON, a form that is sent without it a redirect to the login page.
        .layer(curfew.layer().required().open(["/api/log_in"]))
        // Other sites must not make a browser call anything.
        .layer(CsrfLayer::new())
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Viewer {
    user: String,
    ends_at: Option<String>,
}

#[server(prefix = "/api", endpoint = "who_am_i")]
async fn who_am_i() -> Result<Viewer, Problem> {
    let session = extract::<Session>().await?;
    let ends_at = session.ends_at().map(|end| end.to_string());
    Ok(Viewer { user: session.user().to_owned(), ends_at })
}

#[server(prefix = "/api", endpoint = "log_in")]
async fn log_in(username: String, password: String) -> Result<(), Problem> {
    if !ecosystem::is_password_of(&username, &password) {
        return Err(Problem::answered(
            StatusCode::FORBIDDEN,
            "this user name and password do not go together",
        ));
    }
    let (curfew, client) = extract::<(Curfew, ClientInfo)>().await?;
    tell_browser(&curfew.start(NewSession::for_user(username), &client).await?);
    Ok(())
}

#[server(prefix = "/api", endpoint = "log_out")]
async fn log_out() -> Result<(), Problem> {
    let (session, curfew) = extract::<(Session, Curfew)>().await?;
    tell_browser(&curfew.end(&session).await?);
    Ok(())
}

/// A server function returns a value and no response, so the cookie goes another way. The layer
/// keeps caches away from the answer.
fn tell_browser(cookie: &SetCookie) {
    if let Some(value) = cookie.header_value() {
        expect_context::<ResponseOptions>().append_header(SET_COOKIE, value.clone());
    }
}

/// What the code in the browser is told: what the layer says (RFC 9457), and in the same form what
/// the functions and Leptos itself say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Problem {
    title: String,
    status: u16,
    /// Why there is no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Where to log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login_url: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, title: impl Into<String>) -> Self {
        Self { title: title.into(), status: status.as_u16(), reason: None, login_url: None }
    }

    /// The answer gets the same status, which would otherwise be 500.
    fn answered(status: StatusCode, title: impl Into<String>) -> Self {
        expect_context::<ResponseOptions>().set_status(status);
        Self::new(status, title)
    }
}

impl FromServerFnError for Problem {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<ServerFnErrorErr> for Problem {
    fn from(error: ServerFnErrorErr) -> Self {
        Self::from_server_fn_error(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::answered(error.response().status(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::header::{
        ACCEPT, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, WWW_AUTHENTICATE,
    };
    use axum::http::{HeaderName, Request};
    use axum::response::Response;
    use ecosystem::testing::{cookies_set, handle, logged_in, send, send_form, text, with};
    use time::Duration;
    use tower_curfew::clock::ManualClock;

    use super::*;

    /// As the code in the browser calls a function.
    fn call(function: &str, arguments: &'static str) -> Request<Body> {
        let request = send_form(&format!("/api/{function}"), arguments);
        let request = with(request, ACCEPT, HeaderValue::from_static("application/json"));
        with(request, HeaderName::from_static("sec-fetch-mode"), HeaderValue::from_static("cors"))
    }

    async fn call_with(app: &Router, cookie: &HeaderValue, function: &str) -> Response {
        send(app, with(call(function, ""), COOKIE, cookie.clone())).await
    }

    /// What the code in the browser makes of an answer without a session.
    async fn problem(response: Response) -> Problem {
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
        assert!(!response.headers().contains_key(LOCATION));
        Problem::de(text(response).await.into())
    }

    fn sign_in_to_continue(reason: &str) -> Problem {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "sign in to continue");
        Problem { reason: Some(reason.to_owned()), login_url: Some("/login".to_owned()), ..problem }
    }

    #[tokio::test]
    async fn logs_in_and_out_by_server_functions() {
        let app = app(&handle(&ManualClock::default()).build().unwrap());
        let login = send(&app, call("log_in", "username=ada&password=lovelace")).await;
        assert_eq!(login.status(), StatusCode::OK);
        assert_eq!(login.headers()[CACHE_CONTROL], "no-store");
        let cookie = cookies_set(&login)[0].split(';').next().unwrap().parse().unwrap();

        let viewer = call_with(&app, &cookie, "who_am_i").await;
        assert_eq!(viewer.status(), StatusCode::OK);
        let viewer = serde_json::from_str::<Viewer>(&text(viewer).await).unwrap();
        let ends_at = Some("2026-01-29T00:00:00Z".to_owned());
        assert_eq!(viewer, Viewer { user: "ada".to_owned(), ends_at });

        let logout = call_with(&app, &cookie, "log_out").await;
        assert_eq!(logout.status(), StatusCode::OK);
        let [cleared] = &cookies_set(&logout)[..] else { panic!("{logout:?}") };
        assert!(cleared.starts_with("__Host-Http-session=;"), "{cleared}");
        assert!(cleared.contains("Max-Age=0"), "{cleared}");
        let after = call_with(&app, &cookie, "who_am_i").await;
        assert_eq!(problem(after).await, sign_in_to_continue("revoked"));
    }

    #[tokio::test]
    async fn without_a_session_the_code_in_the_browser_is_told_so_and_not_redirected() {
        let clock = ManualClock::default();
        let curfew = handle(&clock).build().unwrap();
        let app = app(&curfew);
        for function in ["who_am_i", "log_out"] {
            let anonymous = send(&app, call(function, "")).await;
            assert_eq!(problem(anonymous).await, sign_in_to_continue("anonymous"));
        }
        let cookie = logged_in(&curfew, "ada").await;
        clock.advance(Duration::days(28) + Duration::MILLISECOND);
        let idle = call_with(&app, &cookie, "who_am_i").await;
        assert_eq!(problem(idle).await, sign_in_to_continue("idle"));
    }

    #[tokio::test]
    async fn a_form_that_is_sent_without_code_in_the_browser_leads_to_the_login_page() {
        let app = app(&handle(&ManualClock::default()).build().unwrap());
        let response = send(&app, send_form("/api/log_out", "")).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()[LOCATION], "/login");
    }

    #[tokio::test]
    async fn a_wrong_password_logs_nobody_in() {
        let app = app(&handle(&ManualClock::default()).build().unwrap());
        let refused = send(&app, call("log_in", "username=ada&password=byron")).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert!(cookies_set(&refused).is_empty());
        let problem = Problem::de(text(refused).await.into());
        assert_eq!((problem.status, problem.reason), (403, None));
    }
}
