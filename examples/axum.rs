//! Sessions in an axum app that survive its restart: they are kept in `sessions.db`, and the key
//! that signs their cookies in `curfew.key`, both in the working directory.
//!
//! ```text
//! cargo run --example axum
//! ```
//!
//! Then open <http://localhost:3000> and sign in as `ada` with `lovelace`, or talk to it with curl:
//!
//! ```text
//! $ page='localhost:3000/reports?year=2026'
//! $ curl -sH 'Accept: text/html' -w '%{http_code} %{redirect_url}\n' $page
//! 303 http://localhost:3000/login?return_to=%2Freports%3Fyear%3D2026
//! $ curl -sc jar -w '%{http_code} %{redirect_url}\n' -d 'username=ada&password=lovelace' \
//!     'localhost:3000/login?return_to=%2Freports%3Fyear%3D2026'
//! 303 http://localhost:3000/reports?year=2026
//! $ curl -sb jar $page | grep ends
//! <p>Your session ends on <time datetime="…">2026-… UTC</time> unless you come back before then.</p>
//! $ curl -sb jar -w '%{http_code} %{redirect_url}\n' -X POST localhost:3000/logout
//! 303 http://localhost:3000/login
//! $ curl -sb jar -w '\n' $page
//! {"title":"sign in to continue","status":401,"reason":"revoked","login_url":"/login"}
//! ```

mod pages;
mod signals;
mod users;

use std::env;
use std::net::SocketAddr;

use anyhow::Context;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_curfew::store::SqliteStore;
use tower_curfew::{
    ClientInfo, Curfew, Error, Keyring, NewSession, Presence, ReturnTo, Session, SetCookie,
};
use tower_http::csrf::CsrfLayer;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells where it listens")]
async fn main() -> anyhow::Result<()> {
    let store = SqliteStore::open("sessions.db").await?;
    let curfew = Curfew::builder(store, Keyring::load_or_create("curfew.key")?).build()?;

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}; set ADDR to listen elsewhere"))?;
    println!("listening on http://{}, sign in as ada with lovelace", listener.local_addr()?);
    axum::serve(listener, app(curfew.clone()).into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(signals::told_to_stop()?)
        .await?;
    curfew.shutdown().await;
    Ok(())
}

fn app(curfew: Curfew) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/reports", get(reports))
        .route("/welcome", get(welcome))
        .route("/login", get(sign_in_form).post(sign_in))
        .route("/logout", post(sign_out))
        .layer(curfew.layer().open(["/welcome"]))
        // Other sites must not make a browser sign in or out.
        .layer(CsrfLayer::new())
}

/// Whoever is not signed in is sent to sign in, because it asks for a `Session`.
async fn home(session: Session) -> impl IntoResponse {
    page(pages::home(&session))
}

async fn reports(session: Session, RawQuery(query): RawQuery) -> impl IntoResponse {
    page(pages::reports(&session, query.as_deref()))
}

async fn welcome(presence: Presence) -> impl IntoResponse {
    page(pages::welcome(&presence))
}

async fn sign_in_form(
    session: Option<Session>,
    back: ReturnTo,
    RawQuery(query): RawQuery,
) -> Response {
    match session {
        Some(_) => back.or("/").into_response(),
        None => page(pages::sign_in(query.as_deref(), None)).into_response(),
    }
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
        let form = page(pages::sign_in(query.as_deref(), Some(&form.username)));
        return Err((StatusCode::UNAUTHORIZED, form).into_response());
    }
    let start = curfew.start(NewSession::for_user(form.username), &client).await;
    let cookie = start.map_err(Error::into_response)?;
    Ok((cookie, back.or("/")))
}

async fn sign_out(session: Session, curfew: Curfew) -> Result<(SetCookie, Redirect), Error> {
    Ok((curfew.end(&session).await?, Redirect::to("/login")))
}

/// A page that the back button does not show again to whoever comes after a sign-out.
fn page(html: String) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Html(html))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
    use axum::http::request::Builder;
    use tempfile::TempDir;
    use time::Duration;
    use tower::ServiceExt;
    use tower_curfew::clock::ManualClock;

    use super::*;

    const PAGE: &str = "/reports?year=2026";
    const ADA: &str = "username=ada&password=lovelace";

    /// What a restart leaves: the files, and the time of day.
    struct Machine {
        files: TempDir,
        clock: ManualClock,
    }

    impl Machine {
        fn new() -> Self {
            Self { files: tempfile::tempdir().unwrap(), clock: ManualClock::default() }
        }

        async fn start(&self) -> Router {
            let store = SqliteStore::open(self.files.path().join("sessions.db")).await.unwrap();
            let keyring = Keyring::load_or_create(self.files.path().join("curfew.key")).unwrap();
            app(Curfew::builder(store, keyring).clock(self.clock.clone()).build().unwrap())
        }
    }

    #[tokio::test]
    async fn signed_in_across_a_restart_until_signing_out() {
        let machine = Machine::new();
        let app = machine.start().await;

        let turned_away = send(&app, visit(PAGE)).await;
        assert_eq!(turned_away.status(), StatusCode::SEE_OTHER);
        let sign_in_at = location(&turned_away);
        assert_eq!(sign_in_at, "/login?return_to=%2Freports%3Fyear%3D2026");
        assert!(
            text(send(&app, visit(sign_in_at)).await).await.contains(r#"<form method="post">"#)
        );

        let signed_in = send(&app, post(sign_in_at, ADA)).await;
        assert_eq!((signed_in.status(), location(&signed_in)), (StatusCode::SEE_OTHER, PAGE));
        let cookie = cookie(&signed_in);
        assert_eq!(cookie.strip_prefix("__Host-Http-session=").map(str::len), Some(96), "{cookie}");

        let page = send(&app, with(&cookie, visit(PAGE))).await;
        assert_eq!(page.status(), StatusCode::OK);
        let page = text(page).await;
        assert!(
            page.contains("2026-01-29 00:00 UTC</time> unless you come back before then"),
            "{page}"
        );

        drop(app);
        let app = machine.start().await;
        assert_eq!(send(&app, with(&cookie, visit("/"))).await.status(), StatusCode::OK);

        let signed_out = send(&app, with(&cookie, post("/logout", ""))).await;
        assert_eq!(location(&signed_out), "/login");
        assert_cleared(&signed_out);

        let replayed = send(&app, with(&cookie, visit("/"))).await;
        assert_eq!(location(&replayed), "/login?return_to=%2F&reason=revoked");
        let login = text(send(&app, visit(location(&replayed))).await).await;
        assert!(login.contains("You signed out, or were signed out from elsewhere."), "{login}");
    }

    #[tokio::test]
    async fn four_weeks_away_and_one_must_sign_in_again() {
        let machine = Machine::new();
        let app = machine.start().await;
        let cookie = cookie(&send(&app, post("/login", ADA)).await);

        machine.clock.advance(Duration::days(28) - Duration::MILLISECOND);
        let refreshed = send(&app, with(&cookie, visit("/"))).await;
        assert_eq!(refreshed.status(), StatusCode::OK);
        assert_eq!(refreshed.headers().get_all(SET_COOKIE).iter().count(), 1);

        machine.clock.advance(Duration::days(28) + Duration::MILLISECOND);
        let turned_away = send(&app, with(&cookie, visit("/"))).await;
        assert_eq!(location(&turned_away), "/login?return_to=%2F&reason=idle");
        assert_cleared(&turned_away);
    }

    #[tokio::test]
    async fn a_program_gets_a_status() {
        let machine = Machine::new();
        let app = machine.start().await;
        let request = Request::get("/").header(ACCEPT, "application/json");
        let response = send(&app, request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }

    #[tokio::test]
    async fn other_sites_can_sign_nobody_in_or_out() {
        let machine = Machine::new();
        let app = machine.start().await;
        let cookie = cookie(&send(&app, post("/login", ADA)).await);
        for (path, form) in [("/logout", ""), ("/login", ADA)] {
            let mut request = with(&cookie, post(path, form));
            request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
            assert_eq!(send(&app, request).await.status(), StatusCode::FORBIDDEN);
        }
        assert_eq!(send(&app, with(&cookie, visit("/"))).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_wrong_password_shows_the_form_again() {
        let machine = Machine::new();
        let app = machine.start().await;
        for form in ["username=%22%3Cada&password=lovelace", "username=ada&password=Lovelace"] {
            let response = send(&app, post("/login?return_to=%2Freports", form)).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert!(!response.headers().contains_key(SET_COOKIE));
            let page = text(response).await;
            assert!(
                page.contains("do not go together") && !page.contains(r#"value=""<"#),
                "{page}"
            );
        }
    }

    #[tokio::test]
    async fn one_never_comes_back_to_another_site() {
        let machine = Machine::new();
        let app = machine.start().await;
        for evil in ["https://evil.example", "//evil.example", "/%5Cevil.example", "/%0Devil"] {
            let response = send(&app, post(&format!("/login?return_to={evil}"), ADA)).await;
            assert_eq!(location(&response), "/", "{evil}");
        }
    }

    #[tokio::test]
    async fn the_login_page_shows_nothing_from_its_url() {
        let machine = Machine::new();
        let app = machine.start().await;
        let login = async |query: &str| {
            let response = send(&app, visit(&format!("/login?{query}"))).await;
            assert_eq!(response.status(), StatusCode::OK);
            text(response).await
        };
        let without = login("").await;
        let by_org = login("reason=idle&organization=acme").await;
        assert!(by_org.contains("longer than your organization allows."), "{by_org}");
        let long = "call+0800".repeat(500);
        for made_up in ["", "globex", "Call+0800", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", &long] {
            assert_eq!(login(&format!("reason=idle&organization={made_up}")).await, by_org);
            assert_eq!(login(&format!("reason={made_up}")).await, without);
            assert_eq!(login(&format!("return_to=%2F%22%3E{made_up}")).await, without);
        }
    }

    #[tokio::test]
    async fn everybody_is_welcome() {
        let machine = Machine::new();
        let app = machine.start().await;
        let page = text(send(&app, visit("/welcome")).await).await;
        assert!(page.contains("You are not signed in."), "{page}");
        let cookie = cookie(&send(&app, post("/login", ADA)).await);
        let page = text(send(&app, with(&cookie, visit("/welcome"))).await).await;
        assert!(page.contains("You are signed in as ada."), "{page}");
    }

    async fn send(app: &Router, request: Request<Body>) -> Response {
        app.clone().oneshot(request).await.unwrap()
    }

    fn visit(path: &str) -> Request<Body> {
        by_browser(Request::get(path)).body(Body::empty()).unwrap()
    }

    fn post(path: &str, form: &'static str) -> Request<Body> {
        by_browser(Request::post(path))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into())
            .unwrap()
    }

    fn by_browser(request: Builder) -> Builder {
        request
            .header(ACCEPT, "text/html,application/xhtml+xml")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", "same-origin")
    }

    fn with(cookie: &str, mut request: Request<Body>) -> Request<Body> {
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        request
    }

    fn location(response: &Response) -> &str {
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        response.headers()[LOCATION].to_str().unwrap()
    }

    /// Name and value of the only cookie that is set.
    fn cookie(response: &Response) -> String {
        let all = Vec::from_iter(response.headers().get_all(SET_COOKIE));
        let [set_cookie] = all[..] else { panic!("{} cookies", all.len()) };
        set_cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    fn assert_cleared(response: &Response) {
        assert_eq!(cookie(response), "__Host-Http-session=");
        assert!(response.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    }

    async fn text(response: Response) -> String {
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.into()).unwrap()
    }
}
