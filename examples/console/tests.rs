//! The app as a browser without JavaScript uses it.

mod copying;
mod slow_forms;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER,
    SET_COOKIE, USER_AGENT,
};
use axum::http::{HeaderValue, Request};
use time::Duration;
use tower::ServiceExt;
use tower_curfew::clock::ManualClock;
use tower_curfew::store::MemoryStore;
use tower_curfew::{Curfew, Keyring, Limits};

use crate::app::{App, app};
use crate::hashing::Hashing;
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
    assert_eq!(list.matches("data-session=").count(), 2);
    assert_eq!(list.matches(">Current<").count(), 1);
    assert!(list.contains(">3 minutes ago</time>"), "{list}");
    assert!(!list.contains("<Browser>"), "{list}");
    // The current one comes first, so the last one is the phone.
    let id = between(list.rsplit_once("data-session=\"").unwrap().1, "", "\"").to_owned();
    let end = format!("{LIST}/{id}/end");
    assert!(list.contains(&format!("popovertarget=\"end-{id}\"")), "{list}");
    assert!(list.contains(&format!("<form class=\"choice\" method=\"post\" action=\"{end}\">")));
    let mut alan = Browser::signed_in(&app, "alan", "turing").await;
    alan.post(&end, "").await;
    assert_eq!(phone.get("/").await.0, 200, "a stranger ends nothing");

    assert_eq!(laptop.post(&end, "").await, (303, format!("{LIST}?done=terminated")));
    assert_eq!(phone.sent_away().await, "You were signed out from another device.");
    assert_eq!(laptop.get("/").await.0, 200);
    assert_eq!(laptop.post(&format!("{LIST}/end-all"), "").await, (303, "/login".to_owned()));
    assert_eq!(laptop.get("/").await.0, 303);
}

#[tokio::test]
async fn all_other_sessions_end_and_this_one_stays_and_comes_first() {
    let (app, clock) = demo();
    let mut laptop = Browser::signed_in(&app, "ada", "lovelace").await;
    assert!(!laptop.get(LIST).await.1.contains("end-others"), "there are no others");
    clock.advance(Duration::minutes(1));
    let mut phone = Browser::signed_in(&app, "ada", "lovelace").await;
    for browser in [&mut laptop, &mut phone] {
        let list = browser.get(LIST).await.1;
        let first = between(&list, "data-session=", "</tr>");
        assert!(first.contains(">Current<"), "{list}");
        assert_eq!(list.matches("data-session=").count(), 2);
    }
    let answer = laptop.post(&format!("{LIST}/end-others"), "").await;
    assert_eq!(answer, (303, format!("{LIST}?done=others")));
    assert_eq!(phone.sent_away().await, "You were signed out from another device.");
    let list = laptop.get(&answer.1).await.1;
    assert_eq!(list.matches("data-session=").count(), 1);
    assert!(list.contains("You are logged out of all other sessions."), "{list}");
}

#[tokio::test]
async fn a_session_is_shown_with_its_days_and_the_address_where_one_is_kept() {
    let (app, clock) = demo();
    let mut ada = Browser::signed_in(&app, "ada", "lovelace").await;
    let list = ada.get(LIST).await.1;
    assert!(!list.contains("class=\"address\""), "none is known: {list}");
    assert_eq!(list.matches("<rect class=\"edge\"").count(), 1, "today alone: {list}");
    clock.advance(Duration::minutes(10));
    let mut program = Browser { app: app.clone(), cookie: None };
    let peer = SocketAddr::from(([203, 0, 113, 7], 443));
    let form = Body::from("username=ada&password=lovelace");
    let request = Request::post("/login")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .extension(ConnectInfo(peer));
    program.send(request.body(form).unwrap()).await;
    let list = ada.get(LIST).await.1;
    assert!(list.contains("<span class=\"address\">203.0.113.7</span>"), "{list}");
    assert!(list.contains("aria-label=\"Signed in 10 minutes ago, last seen just now\""), "{list}");
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
    let clock_of_app = Arc::new(clock.clone());
    let app = App { limits: limits(), clock: clock_of_app, hashing };
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

    let form = "length=custom&absolute_minutes=10";
    let page = grace.post(&format!("{ACME}/preview"), form).await.1;
    assert!(page.contains("1 session ends now, 1 ends sooner."), "{page}");
    assert!(page.contains("As it is: 2 within 15 minutes."), "{page}");
    assert!(page.contains("With this policy: 1 at once, 1 within 10 minutes."), "{page}");
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
    assert!(grace.get(ACME).await.1.contains("signs out everybody in acme, you too."));
    assert_eq!(grace.get(&revoke).await, (303, ACME.to_owned()), "a link revokes nothing");
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
    // The current one comes first.
    let phone = list.rsplit_once("data-session=\"").unwrap().1;
    let seen = between(phone, "data-label=\"Last seen\">", "</td>");
    assert!(seen.contains(">10 minutes ago</time>"), "{list}");
    let question = between(phone, "Terminate this session?</h2>", "</p>");
    assert!(question.contains(", last seen <time") && question.contains(">10 minutes ago<"));
}
