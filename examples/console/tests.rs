//! The app as a browser without JavaScript uses it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER,
    SET_COOKIE, USER_AGENT,
};
use axum::http::{HeaderValue, Request};
use clap::Parser;
use time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tower_curfew::clock::ManualClock;
use tower_curfew::store::{MemoryStore, SqliteStore, Store};
use tower_curfew::{Curfew, Keyring, Limits, NewSession, OrgPolicy};

use crate::app::{App, app};
use crate::hashing::Hashing;
use crate::options::Options;
use crate::sign_in;

const ACME: &str = "/admin/acme/security";
const LIST: &str = "/settings/account/sessions";
const TOKENS: &str = "/settings/account/tokens";

/// The app with sessions that end after 15 minutes without activity, and its clock.
fn demo() -> (Router, ManualClock) {
    let clock = ManualClock::default();
    (app(&handle(&clock), limits(), clock.clone()), clock)
}

fn handle(clock: &ManualClock) -> Curfew {
    let keyring = Keyring::from_bytes([7; 32]).unwrap();
    let builder = Curfew::builder(MemoryStore::new(), keyring).limits(limits());
    builder.clock(clock.clone()).build().unwrap()
}

fn limits() -> Limits {
    Limits::idle(Duration::minutes(15)).and_absolute(Duration::days(30))
}

struct Browser {
    app: Router,
    cookie: Option<HeaderValue>,
}

impl Browser {
    async fn signed_in(app: &Router, user: &str, password: &str) -> Self {
        let mut browser = Self { app: app.clone(), cookie: None };
        let form = format!("username={user}&password={password}");
        assert_eq!(browser.post("/login", &form).await, (303, "/".to_owned()));
        browser
    }

    async fn get(&mut self, path: &str) -> (u16, String) {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&mut self, path: &str, form: &str) -> (u16, String) {
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// The status, and where it leads or else the page.
    async fn send(&mut self, mut request: Request<Body>) -> (u16, String) {
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("text/html"));
        headers.insert(USER_AGENT, HeaderValue::from_static("<Browser> of one's own"));
        headers.extend(self.cookie.clone().map(|cookie| (COOKIE, cookie)));
        let response = self.app.clone().oneshot(request).await.unwrap();
        assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY));
        if let Some(set) = response.headers().get(SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let kept = (!pair.ends_with('=')).then(|| HeaderValue::from_str(pair).unwrap());
            self.cookie = kept;
        }
        let status = response.status().as_u16();
        if let Some(to) = response.headers().get(LOCATION) {
            return (status, to.to_str().unwrap().to_owned());
        }
        let body = to_bytes(response.into_body(), 100_000).await.unwrap();
        (status, String::from_utf8(body.into()).unwrap())
    }

    /// What the sign-in page says when the next click leads there.
    async fn sent_away(&mut self) -> String {
        let (status, to) = self.get("/").await;
        assert_eq!((status, to.starts_with("/login?return_to=%2F&reason=")), (303, true), "{to}");
        let page = self.get(&to).await.1;
        between(&page, r#"<p role="status">"#, "<").to_owned()
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
    rest.split_once(end).unwrap().0
}

#[tokio::test]
async fn a_terminated_session_learns_it_at_its_next_click() {
    let (app, clock) = demo();
    let mut phone = Browser::signed_in(&app, "ada", "lovelace").await;
    clock.advance(Duration::minutes(3));
    let mut laptop = Browser::signed_in(&app, "ada", "lovelace").await;

    let list = laptop.get(LIST).await.1;
    assert_eq!(list.matches("<tr data-session").count(), 2);
    assert_eq!(list.matches(">Current<").count(), 1);
    assert!(list.contains(">3 minutes ago</time>"), "{list}");
    assert!(!list.contains("<Browser>"), "{list}");
    // Newest first, so the last one is the phone.
    let id = between(list.rsplit_once("data-session=\"").unwrap().1, "", "\"").to_owned();
    let end = format!("{LIST}/{id}/end");
    assert!(laptop.get(&end).await.1.contains("<h1>Terminate this session?</h1>"));
    assert_eq!(laptop.post(&end, "").await, (303, format!("{LIST}?done=terminated")));
    assert_eq!(phone.sent_away().await, "You were signed out from another device.");
    assert_eq!(laptop.get("/").await.0, 200);

    let mut alan = Browser::signed_in(&app, "alan", "turing").await;
    assert_eq!(alan.get(&end).await.0, 404);
    assert_eq!(laptop.post(&format!("{LIST}/end-all"), "").await, (303, "/login".to_owned()));
    assert_eq!(laptop.get("/").await.0, 303);
}

#[tokio::test]
async fn who_was_away_for_too_long_is_told_so() {
    let (app, clock) = demo();
    let mut ada = Browser::signed_in(&app, "ada", "lovelace").await;
    clock.advance(Duration::minutes(16));
    assert_eq!(ada.sent_away().await, "Your session ended after 15 minutes without activity.");
    let (status, page) = ada.post("/login", "username=ada&password=hopper").await;
    assert!(status == 401 && page.contains("do not go together"), "{page}");
}

#[tokio::test]
async fn who_finds_no_place_to_sign_in_is_asked_to_come_again() {
    let clock = ManualClock::default();
    let hashing = Hashing::bounded(0, 0);
    let app = App { limits: limits(), clock: Arc::new(clock.clone()), hashing };
    let router = sign_in::routes().with_state(app).layer(handle(&clock).layer());
    let request = Request::post("/login")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from("username=ada&password=lovelace"))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()[RETRY_AFTER], "5");
    assert!(!response.headers().contains_key(SET_COOKIE));
}

#[tokio::test]
async fn the_sign_in_page_shows_nothing_from_its_url_and_tells_nothing_of_organizations() {
    let (app, _) = demo();
    let mut grace = Browser::signed_in(&app, "grace", "hopper").await;
    assert_eq!(grace.post(ACME, "absolute_seconds=600").await.0, 303);
    let mut stranger = Browser { app: app.clone(), cookie: None };
    let mut login = async |query: &str| {
        let (status, page) = stranger.get(&format!("/login?{query}")).await;
        assert_eq!(status, 200);
        page
    };
    let without = login("").await;
    let long = "call+0800".repeat(500);
    let made_up = ["", "initech", "Call+0800", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", &long];
    for reason in ["absolute", "idle", "revoked"] {
        let acme = login(&format!("reason={reason}&organization=acme")).await;
        assert!(acme.contains("our organization ") && !acme.contains("10 minutes"), "{acme}");
        for org in made_up {
            assert_eq!(login(&format!("reason={reason}&organization={org}")).await, acme);
        }
    }
    for text in made_up {
        assert_eq!(login(&format!("reason={text}&organization=acme")).await, without);
        assert_eq!(login(&format!("organization={text}&return_to=%2F{text}")).await, without);
    }
}

#[tokio::test]
async fn an_admin_previews_saves_and_revokes() {
    let (app, clock) = demo();
    let mut ada = Browser::signed_in(&app, "ada", "lovelace").await;
    clock.advance(Duration::minutes(10));
    let mut grace = Browser::signed_in(&app, "grace", "hopper").await;
    assert_eq!(ada.get(ACME).await.0, 403);
    assert!(grace.get(ACME).await.1.contains("Sessions last as long as the app lets them."));

    let form = "days=own&number=10&unit=minutes";
    let page = grace.post(&format!("{ACME}/preview"), form).await.1;
    assert!(page.contains("1 session ends now, 1 ends sooner."), "{page}");
    assert!(page.contains(r#"name="absolute_seconds" value="600""#), "{page}");
    assert_eq!(grace.post(ACME, "absolute_seconds=600").await, (303, format!("{ACME}?done=saved")));
    assert!(grace.get(ACME).await.1.contains("Sign-in again after 10 minutes."));
    assert_eq!(ada.sent_away().await, "You signed in longer ago than your organization allows.");

    let (status, page) = grace.post(&format!("{ACME}/preview"), "idle_minutes=1&idle_days=").await;
    assert!(status == 422 && page.contains("not between 5 minutes and 400 days."), "{page}");

    clock.advance(Duration::minutes(6));
    let page = grace.post(&format!("{ACME}/preview"), "absolute_minutes=5").await.1;
    let foretold = "1 session ends now, 0 end sooner. Yours is among them.";
    assert!(page.contains(foretold), "{page}");

    let mut ada = Browser::signed_in(&app, "ada", "lovelace").await;
    let revoke = format!("{ACME}/revoke");
    assert!(grace.get(&revoke).await.1.contains("signs out everybody in acme, you too."));
    assert_eq!(grace.post(&revoke, "").await, (303, ACME.to_owned()));
    for browser in [&mut ada, &mut grace] {
        assert_eq!(browser.sent_away().await, "Your organization has signed everybody out.");
    }
}

#[tokio::test]
async fn that_an_admin_saves_a_policy_makes_nobody_active() {
    let (app, clock) = demo();
    let _phone = Browser::signed_in(&app, "ada", "lovelace").await;
    clock.advance(Duration::minutes(10));
    let mut grace = Browser::signed_in(&app, "grace", "hopper").await;
    // It moves the end of the phone's session.
    assert_eq!(grace.post(ACME, "idle_seconds=720").await, (303, format!("{ACME}?done=saved")));
    let mut laptop = Browser::signed_in(&app, "ada", "lovelace").await;
    let list = laptop.get(LIST).await.1;
    assert_eq!(list.matches(">10 minutes ago</time>").count(), 1, "{list}");
    assert_eq!(list.matches(">just now</time>").count(), 1, "{list}");
    let phone = list.rsplit_once("data-session=\"").unwrap().1;
    let end = format!("{LIST}/{}/end", between(phone, "", "\""));
    let page = laptop.get(&end).await.1;
    assert!(page.contains(", last active <time") && page.contains(">10 minutes ago<"), "{page}");
}

#[tokio::test]
async fn a_token_is_shown_once_and_deleted() {
    let (app, clock) = demo();
    let mut ada = Browser::signed_in(&app, "ada", "lovelace").await;
    let page = ada.post(TOKENS, "name=%3Cbackup%3E").await.1;
    let token = between(&page, r#"<code id="token">"#, "<").to_owned();
    let list = ada.get(LIST).await.1;
    assert!(token.starts_with("curfew_") && !list.contains(&token), "{list}");
    assert!(list.contains("&lt;backup&gt;") && list.contains("Last used never"), "{list}");
    clock.advance(Duration::minutes(10));
    let mut program = Browser { app: app.clone(), cookie: None };
    let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}"));
    assert_eq!(program.send(request.body(Body::empty()).unwrap()).await.0, 200);
    clock.advance(Duration::minutes(4));
    let list = ada.get(LIST).await.1;
    assert!(list.contains("4 minutes ago"), "{list}");
    let id = between(&list, "<li data-token=\"", "\"");
    let delete = format!("{TOKENS}/{id}/delete");
    assert!(ada.get(&delete).await.1.contains("<h1>Delete this token?</h1>"));
    assert_eq!(ada.post(&delete, "").await, (303, format!("{LIST}?done=deleted")));
    assert!(!ada.get(LIST).await.1.contains("data-token"));
}

#[tokio::test]
async fn r39_trap_41_the_rest_of_a_form_creates_no_token_after_the_sign_out() {
    let (app, _) = demo();
    let address = served(&app).await;
    let slow = Browser::signed_in(&app, "ada", "lovelace").await;
    let alive = SlowForm::begin(address, &slow, TOKENS, "name=backup").await;
    let answer = alive.finish().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("curfew_"), "{answer}");

    let mut other = Browser::signed_in(&app, "ada", "lovelace").await;
    let form = SlowForm::begin(address, &slow, TOKENS, "name=backup").await;
    assert_eq!(other.post(&format!("{LIST}/end-all"), "").await, (303, "/login".to_owned()));
    let answer = form.finish().await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("curfew_"), "{answer}");

    let list = Browser::signed_in(&app, "ada", "lovelace").await.get(LIST).await.1;
    assert_eq!(list.matches("<tr data-session").count(), 1, "{list}");
    assert!(!list.contains("data-token"), "{list}");
}

#[tokio::test]
async fn r39_trap_41_the_rest_of_a_form_saves_no_policy_after_the_sign_out() {
    let (app, _) = demo();
    let address = served(&app).await;
    let slow = Browser::signed_in(&app, "grace", "hopper").await;
    let alive = SlowForm::begin(address, &slow, ACME, "absolute_seconds=86400").await;
    let answer = alive.finish().await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");

    let mut other = Browser::signed_in(&app, "grace", "hopper").await;
    let form = SlowForm::begin(address, &slow, ACME, "absolute_seconds=600").await;
    assert_eq!(other.post(&format!("{LIST}/end-all"), "").await, (303, "/login".to_owned()));
    let answer = form.finish().await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");

    let page = Browser::signed_in(&app, "grace", "hopper").await.get(ACME).await.1;
    assert!(page.contains("Sign-in again after 1 day."), "{page}");
}

async fn served(app: &Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

/// A form of which the app has the first byte so far.
struct SlowForm {
    connection: TcpStream,
    rest: &'static [u8],
}

impl SlowForm {
    /// Returns when the app has let the session in, and waits for the form: only then does it say
    /// that the client may continue.
    async fn begin(address: SocketAddr, browser: &Browser, path: &str, form: &'static str) -> Self {
        let cookie = browser.cookie.as_ref().unwrap().to_str().unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
             Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nAccept: text/html\r\n\
             Cookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            form.len()
        );
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        let (first, rest) = form.as_bytes().split_at(1);
        connection.write_all(first).await.unwrap();
        Self { connection, rest }
    }

    /// The answer when the rest has come.
    async fn finish(mut self) -> String {
        self.connection.write_all(self.rest).await.unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// What the command line says, and whether it succeeds. Sessions are in files of this folder.
async fn command(folder: &std::path::Path, line: &str) -> anyhow::Result<String> {
    let line = line.replace("@", &format!("sqlite:{}/", folder.display()));
    let options = Options::try_parse_from(["console", "copy"].into_iter().chain(line.split(' ')))?;
    options.command.unwrap().run().await
}

#[tokio::test]
async fn all_sessions_and_policies_move_to_another_store() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let handle = async |name: &str| {
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let store = SqliteStore::open(at(name)).await.unwrap();
        Curfew::builder(store, keyring).build().unwrap()
    };
    let old = handle("old.db").await;
    let issued = old.operator("tests").issue_token(NewSession::for_user("ada")).await.unwrap();
    old.operator("tests").set_policy("acme", OrgPolicy::idle(Duration::HOUR)).await.unwrap();
    for before in [0, 1] {
        let said = command(folder.path(), "--from @old.db --to @new.db").await.unwrap();
        let expected = format!(
            "copied 1 sessions and the rules of 2 organizations; {before} were there before\n"
        );
        assert_eq!(said, expected);
    }
    let moved = SqliteStore::open(at("new.db")).await.unwrap();
    let loaded = moved.load(issued.id()).await.unwrap().unwrap();
    assert_eq!(&**loaded.record.user(), "ada");
}

#[tokio::test]
async fn what_cannot_be_copied_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let refused = async |line: &str| {
        let error = command(folder.path(), line).await.unwrap_err();
        format!("{error:#}")
    };
    for line in ["--from memory --to @new.db", "--from @new.db --to memory"] {
        std::fs::write(folder.path().join("new.db"), "").unwrap();
        let said = refused(line).await;
        assert!(said.contains("the memory of another process is out of reach"), "{said}");
    }
    let said = refused("--from @missing.db --to @new.db").await;
    assert!(said.contains("missing.db; check --from"), "{said}");
    assert!(!folder.path().join("missing.db").exists(), "and it is not created");
    let said = refused("--from @new.db --to @new.db").await;
    assert!(said.contains("the same store; give another --to"), "{said}");
    assert!(refused("--from @new.db").await.contains("--to <STORE>"));
    assert!(refused("--from mysql://localhost --to @new.db").await.contains("give memory, sqlite"));

    // Another app's store, in use already.
    for (name, org) in [("one.db", "acme"), ("other.db", "globex")] {
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let store = SqliteStore::open(folder.path().join(name)).await.unwrap();
        let curfew = Curfew::builder(store, keyring).build().unwrap();
        curfew.operator("tests").revoke_org(org).await.unwrap();
    }
    let said = refused("--from @one.db --to @other.db").await;
    assert!(said.ends_with("it is in use already; take an empty store"), "{said}");
}
