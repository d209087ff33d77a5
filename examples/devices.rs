//! The page "Active sessions": people see where they are signed in, end what they do not know, and
//! issue tokens. It is plain HTML, without scripts. Everything is in memory.
//!
//! ```text
//! cargo run --example devices
//! ```
//!
//! Then open <http://localhost:3000> in two browsers and sign in as `ada` with `lovelace`. The same
//! is there as JSON, below `/api`. With curl, in the place of a laptop, a phone and a script:
//!
//! ```text
//! $ api=localhost:3000/api
//! $ curl -sc laptop -d 'username=ada&password=lovelace' localhost:3000/login
//! $ curl -sc phone  -d 'username=ada&password=lovelace' localhost:3000/login
//! $ curl -sb laptop -H 'Content-Type: application/json' -d '{"name":"backup"}' $api/tokens
//! {"id":"…","token":"curfew_…"}
//! $ token=curfew_… # the one of the answer
//! $ curl -sH "Authorization: Bearer $token" $api/session
//! {"user":"ada","ends_at":"2026-…","ends_in_seconds":2419199,…}
//! $ curl -sb laptop $api/sessions
//! {"sessions":[{"id":"…","kind":"token","name":"backup","device":null,"location":null,…},…]}
//! $ curl -sb laptop -X DELETE "$api/sessions?except=current"
//! {"ended":2}
//! $ curl -sb phone $api/session
//! {"title":"sign in to continue","status":401,"reason":"revoked","login_url":"/login"}
//! $ curl -sH "Authorization: Bearer $token" $api/session
//! {"title":"sign in to continue","status":401,"reason":"revoked","login_url":"/login"}
//! ```

#[expect(dead_code, reason = "other examples show the other pages")]
mod pages;
mod users;

use std::env;
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_curfew::account_routes;
use tower_curfew::store::MemoryStore;
use tower_curfew::{
    ActiveSession, ClientInfo, Curfew, Error, Keyring, NewSession, ReturnTo, Selector, Session,
    SessionId, SessionKind, SetCookie,
};
use tower_http::csrf::CsrfLayer;

use pages::Text;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells where it listens")]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).locate_with(locate).build()?;

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}; set ADDR to listen elsewhere"))?;
    println!("listening on http://{}, sign in as ada with lovelace", listener.local_addr()?);
    // Without the connect info, no address is known, and so no location.
    axum::serve(listener, app(&curfew).into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// A real app asks a database here, as `console/places.rs` does.
fn locate(address: IpAddr) -> Option<String> {
    address.is_loopback().then(|| "this machine".to_owned())
}

fn app(curfew: &Curfew) -> Router {
    Router::new()
        .route("/", get(sessions))
        .route("/sessions/{id}/end", post(end_one))
        .route("/sessions/end-others", post(end_others))
        .route("/sessions/end-all", post(end_all))
        .route("/tokens", post(issue_token))
        .route("/login", get(sign_in_form).post(sign_in))
        .nest("/api", account_routes())
        .layer(curfew.layer().passive(["/api/session"]))
        // Other sites must not make a browser end anything.
        .layer(CsrfLayer::new())
}

async fn sessions(session: Session, curfew: Curfew) -> Result<impl IntoResponse, Error> {
    let listed = curfew.list(session.user()).await?;
    let rows = listed.iter().map(|listed| row(listed, session.id())).collect::<String>();
    Ok(page(&pages::page(
        "Active sessions",
        &format!(
            r#"<p>You are signed in as {}.</p>
<table>
<tr><th>Device</th><th>Location</th><th>Activity</th><th></th></tr>
{rows}</table>
<form method="post" action="/sessions/end-others"><button>Log out all others</button></form>
<form method="post" action="/sessions/end-all"><button>Log out everywhere</button></form>
<h2>Tokens</h2>
<form method="post" action="/tokens">
  <label>Name <input name="name" placeholder="backup script" maxlength="80" required></label>
  <button>New token</button>
</form>"#,
            Text(session.user())
        ),
    )))
}

fn row(listed: &ActiveSession, current: SessionId) -> String {
    let client = listed.client();
    // Whatever a client says of itself is text from anywhere.
    let device = listed.name().or(client.device.as_deref()).unwrap_or("unknown device");
    let location = client.location.as_deref().unwrap_or("unknown");
    let kind = if listed.kind() == SessionKind::Token { " (token)" } else { "" };
    let badge = if listed.id() == current { " <mark>Current</mark>" } else { "" };
    let (id, activity) = (listed.id(), activity(listed));
    let (device, location) = (Text(device), Text(location));
    format!(
        r#"<tr><td>{device}{kind}{badge}</td><td>{location}</td><td>{activity}</td>
<td><form method="post" action="/sessions/{id}/end"><button>End</button></form></td></tr>
"#
    )
}

/// That an admin changes a policy is no activity, so not when its end was last moved.
fn activity(listed: &ActiveSession) -> String {
    let last = if listed.kind() == SessionKind::Token { "Last used" } else { "Last active" };
    let seen = listed.last_seen_at().map_or("never".to_owned(), pages::time);
    format!("{last} {seen}")
}

async fn end_one(
    session: Session,
    curfew: Curfew,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let Ok(id) = id.parse::<SessionId>() else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    // A stranger's session is none of these, whatever id is sent.
    let revoked = curfew.revoke(&session, Selector::user(session.user()).only(id)).await?;
    let next = if id == session.id() { "/login" } else { "/" };
    Ok((revoked.set_cookie, Redirect::to(next)).into_response())
}

async fn end_others(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Error> {
    let others = Selector::user(session.user()).except(session.id());
    let revoked = curfew.revoke(&session, others).await?;
    Ok((revoked.set_cookie, Redirect::to("/")))
}

async fn end_all(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Error> {
    let revoked = curfew.revoke(&session, Selector::user(session.user())).await?;
    Ok((revoked.set_cookie, Redirect::to("/login")))
}

#[derive(Deserialize)]
struct NewToken {
    name: String,
}

/// Answers with the token itself, and not with a redirect: nobody can show it a second time.
async fn issue_token(
    session: Session,
    curfew: Curfew,
    Form(form): Form<NewToken>,
) -> Result<Response, Error> {
    // Whoever finds a token must not be able to issue another one.
    if session.kind() == SessionKind::Token {
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    let new = NewSession::for_user(session.user()).orgs(session.orgs()).named(form.name.trim());
    let issued = curfew.issue_token(&session, new).await?;
    let content = format!(
        r#"<p>Copy it now. It is shown only this once.</p>
<pre style="overflow: auto">{}</pre>
<p><a href="/">Done</a></p>"#,
        issued.token()
    );
    Ok(page(&pages::page("New token", &content)).into_response())
}

async fn sign_in_form(RawQuery(query): RawQuery) -> impl IntoResponse {
    page(&pages::sign_in(query.as_deref(), None))
}

#[derive(Deserialize)]
struct SignIn {
    username: String,
    password: String,
}

async fn sign_in(
    curfew: Curfew,
    client: ClientInfo,
    back: ReturnTo,
    RawQuery(query): RawQuery,
    Form(form): Form<SignIn>,
) -> Result<(SetCookie, Redirect), Response> {
    if !users::check(&form.username, &form.password) {
        let form = page(&pages::sign_in(query.as_deref(), Some(&form.username)));
        return Err((StatusCode::UNAUTHORIZED, form).into_response());
    }
    let start = curfew.start(NewSession::for_user(form.username), &client).await;
    let cookie = start.map_err(Error::into_response)?;
    Ok((cookie, back.or("/")))
}

/// A page that no cache keeps, least of all the one with a token.
fn page(html: &str) -> impl IntoResponse + use<> {
    ([(CACHE_CONTROL, "no-store")], Html(html.to_owned()))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::extract::connect_info::MockConnectInfo;
    use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
    use axum::http::{HeaderName, HeaderValue, Request};
    use time::Duration;
    use tower::ServiceExt;
    use tower_curfew::OrgPolicy;
    use tower_curfew::clock::ManualClock;

    use super::*;

    const ADA: &str = "username=ada&password=lovelace";
    const SIGN_IN_AGAIN: &str =
        r#"{"title":"sign in to continue","status":401,"reason":"revoked","login_url":"/login"}"#;

    /// What a client sends with each request.
    type Badge = (HeaderName, HeaderValue);

    fn demo() -> Router {
        served(&handle(&ManualClock::default()))
    }

    fn handle(clock: &ManualClock) -> Curfew {
        Curfew::builder(MemoryStore::new(), Keyring::from_bytes([7; 32]).unwrap())
            .clock(clock.clone())
            .locate_with(locate)
            .name_devices_with(|_: &_| Some("<Browser>".to_owned()))
            .build()
            .unwrap()
    }

    fn served(curfew: &Curfew) -> Router {
        app(curfew).layer(MockConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40_000))))
    }

    /// The status, the body, and the cookie if one was set.
    async fn send(
        app: &Router,
        method: &str,
        path: &str,
        badge: Option<&Badge>,
        body: &str,
    ) -> (u16, String, Option<Badge>) {
        let json = body.starts_with('{');
        let kind = if json { "application/json" } else { "application/x-www-form-urlencoded" };
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, kind);
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        if let Some((name, value)) = badge {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let set = response.headers().get(SET_COOKIE).map(|set| {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            (COOKIE, HeaderValue::from_str(pair).unwrap())
        });
        let body = to_bytes(response.into_body(), 100_000).await.unwrap();
        (status, String::from_utf8(body.into()).unwrap(), set)
    }

    async fn sign_in(app: &Router) -> Badge {
        send(app, "POST", "/login", None, ADA).await.2.unwrap()
    }

    fn bearer(token: &str) -> Badge {
        (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap())
    }

    /// What stands in `text` between two marks.
    fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        text.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    #[tokio::test]
    async fn the_dialogue_of_the_first_lines() {
        let app = demo();
        let (laptop, phone) = (sign_in(&app).await, sign_in(&app).await);
        let ask = async |method, path, badge: &Badge, body| {
            let (status, body, _) = send(&app, method, path, Some(badge), body).await;
            (status, body)
        };
        let (status, issued) = ask("POST", "/api/tokens", &laptop, r#"{"name":"backup"}"#).await;
        assert_eq!(status, 201);
        let script = bearer(between(&issued, r#""token":""#, r#"""#));

        let (_, body) = ask("GET", "/api/session", &script, "").await;
        let begin = r#"{"user":"ada","ends_at":"2026-01-29T00:00:00Z","ends_in_seconds":2419200,"#;
        assert!(body.starts_with(begin), "{body}");
        let (_, list) = ask("GET", "/api/sessions", &laptop, "").await;
        assert_eq!(list.matches(r#""kind":"#).count(), 3, "{list}");
        assert_eq!(list.matches(r#""current":true"#).count(), 1, "{list}");
        let token = r#""kind":"token","name":"backup","device":null,"location":null,"#;
        assert!(list.contains(token), "{list}");
        assert!(list.contains(r#""location":"this machine""#), "{list}");

        let ended = ask("DELETE", "/api/sessions?except=current", &laptop, "").await;
        assert_eq!(ended, (200, r#"{"ended":2}"#.to_owned()));
        for badge in [&phone, &script] {
            let refused = (401, SIGN_IN_AGAIN.to_owned());
            assert_eq!(ask("GET", "/api/session", badge, "").await, refused);
        }
        assert_eq!(ask("GET", "/api/session", &laptop, "").await.0, 200);
    }

    #[tokio::test]
    async fn the_page_shows_all_and_ends_one() {
        let app = demo();
        let (laptop, phone) = (sign_in(&app).await, sign_in(&app).await);
        let home = async |badge| send(&app, "GET", "/", Some(badge), "").await;
        let html = home(&laptop).await.1;
        assert_eq!(html.matches("<mark>Current</mark>").count(), 1, "{html}");
        assert_eq!(html.matches("<td>this machine</td>").count(), 2, "{html}");
        assert!(html.contains("&lt;Browser&gt;") && !html.contains("<Browser>"), "{html}");

        // Both signed in at the same millisecond, so the badge tells them apart.
        let rows = Vec::from_iter(html.split("<tr>").filter(|row| row.contains("/end\"")));
        let other = rows.iter().find(|row| !row.contains("Current")).unwrap();
        let path = between(other, r#"action=""#, r#"""#);
        assert_eq!(send(&app, "POST", path, Some(&laptop), "").await.0, 303);
        assert_eq!(home(&phone).await.0, 401);
        assert_eq!(home(&laptop).await.0, 200);
    }

    #[tokio::test]
    async fn activity_is_what_a_client_does_and_no_change_of_a_policy() {
        let clock = ManualClock::default();
        let curfew = handle(&clock);
        let app = served(&curfew);
        let laptop = sign_in(&app).await;
        let (_, html, _) = send(&app, "POST", "/tokens", Some(&laptop), "name=backup").await;
        let script = bearer(between(&html, "auto\">", "</pre>"));
        clock.advance(Duration::DAY);
        let week = OrgPolicy::idle(Duration::WEEK);
        curfew.operator("a test").set_policy_for_everyone(week).await.unwrap();
        let listed = curfew.list("ada").await.unwrap();
        let all = listed.iter().map(activity).collect::<Vec<_>>();
        let then = pages::time(listed[0].created_at());
        assert!(all.contains(&format!("Last active {then}")), "{all:?}");
        assert!(all.contains(&"Last used never".to_owned()), "{all:?}");
        assert!(listed.iter().all(|one| one.created_at() < one.updated_at()), "its end was moved");

        let home = send(&app, "GET", "/", Some(&script), "").await.1;
        let now = "2026-01-02 00:00 UTC";
        assert!(home.contains("Last used <time") && home.contains(now), "{home}");
        assert!(home.contains("Last active <time") && home.contains("2026-01-01 00:00"), "{home}");
    }

    #[tokio::test]
    async fn a_token_is_shown_once_and_issues_none() {
        let app = demo();
        let laptop = sign_in(&app).await;
        let (status, html, _) = send(&app, "POST", "/tokens", Some(&laptop), "name=backup").await;
        let token = between(&html, "auto\">", "</pre>");
        assert_eq!((status, token.len()), (200, 103));
        let home = send(&app, "GET", "/", Some(&bearer(token)), "").await.1;
        assert!(home.contains("backup (token) <mark>") && !home.contains(token), "{home}");
        let another = send(&app, "POST", "/tokens", Some(&bearer(token)), "name=more").await;
        assert_eq!(another.0, 403);
    }

    #[tokio::test]
    async fn out_of_all_others_and_out_of_everything() {
        let app = demo();
        let (laptop, phone) = (sign_in(&app).await, sign_in(&app).await);
        let post = async |path, badge| send(&app, "POST", path, Some(badge), "").await;
        let home = async |badge| send(&app, "GET", "/", Some(badge), "").await.0;
        post("/sessions/end-others", &laptop).await;
        assert_eq!((home(&laptop).await, home(&phone).await), (200, 401));
        let phone = sign_in(&app).await;
        let (status, _, cleared) = post("/sessions/end-all", &laptop).await;
        assert_eq!((status, cleared.unwrap().1.as_bytes()), (303, &b"__Host-Http-session="[..]));
        assert_eq!((home(&laptop).await, home(&phone).await), (401, 401));
    }
}
