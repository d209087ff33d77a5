//! What axum-extra has for headers and cookies, beside the session cookie: a message that is shown
//! once after a form, in a private cookie, and a report that is not sent again while it is the same,
//! by typed headers.
//!
//! ```text
//! cargo run --manifest-path examples/ecosystem/Cargo.toml --bin axum_extra
//! ```
//!
//! Then open <http://localhost:3000> and log in as `ada` with `lovelace`, or talk to it with curl:
//!
//! ```text
//! $ curl -sc jar -d 'username=ada&password=lovelace' localhost:3000/login
//! $ curl -sb jar -c jar -X POST localhost:3000/notes
//! $ curl -sb jar -c jar localhost:3000 | grep status
//! <p role="status">Your note is saved.</p>
//! $ curl -sb jar -c jar localhost:3000 | grep status # shown only once
//! $ curl -sb jar -H 'If-None-Match: "2026-11"' -w '%{http_code}\n' localhost:3000/report
//! 304
//! ```

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::TypedHeader;
use axum_extra::extract::PrivateCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};
use axum_extra::headers::{CacheControl, ETag, IfNoneMatch};
use ecosystem::login_routes;
use tower_curfew::store::MemoryStore;
use tower_curfew::{Curfew, Keyring, Session};
use tower_http::csrf::CsrfLayer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build()?;
    // A key of its own: that of the sessions signs nothing else. After a restart a message is lost.
    ecosystem::serve(app(&curfew, Key::generate())).await
}

fn app(curfew: &Curfew, key: Key) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/notes", post(save_note))
        .route("/report", get(report))
        .merge(login_routes())
        .layer(curfew.layer())
        // Other sites must not make a browser log in or out, or save anything.
        .layer(CsrfLayer::new())
        .with_state(key)
}

/// Browsers take it only from this host, and only over a connection that nobody changes.
const MESSAGE: &str = "__Host-message";

async fn home(session: Session, jar: PrivateCookieJar) -> impl IntoResponse {
    let (jar, message) = take_message(jar, &session);
    // It is a text of the app's own, so there is nothing to escape.
    let message = message.map_or_else(String::new, |text| format!("<p role=\"status\">{text}</p>"));
    let html = format!("<!DOCTYPE html>\n<title>Home</title>\n{message}\n<p>Hello.</p>\n");
    ([(CACHE_CONTROL, "no-store")], jar, Html(html))
}

async fn save_note(session: Session, jar: PrivateCookieJar) -> (PrivateCookieJar, Redirect) {
    (leave_message(jar, &session, "Your note is saved."), Redirect::to("/"))
}

/// The id of the session goes along: the next user of the browser is shown nothing that was meant
/// for this one.
fn leave_message(jar: PrivateCookieJar, session: &Session, text: &str) -> PrivateCookieJar {
    let cookie = Cookie::build((MESSAGE, format!("{} {text}", session.id())))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax);
    jar.add(cookie)
}

fn take_message(jar: PrivateCookieJar, session: &Session) -> (PrivateCookieJar, Option<String>) {
    let Some(cookie) = jar.get(MESSAGE) else {
        return (jar, None);
    };
    let message = cookie.value().strip_prefix(&session.id().to_string());
    let message = message.map(|text| text.trim_start().to_owned());
    // Browsers delete it only if it is told with the attributes of its name.
    (jar.remove(Cookie::build(MESSAGE).path("/").secure(true)), message)
}

/// It is the same for each user until the next month.
const EDITION: &str = "\"2026-11\"";

async fn report(_: Session, known: Option<TypedHeader<IfNoneMatch>>) -> Response {
    let edition = EDITION.parse::<ETag>().expect("it is an entity tag");
    // Only this browser may keep it, and asks each time whether it is still the same.
    let keep = TypedHeader(CacheControl::new().with_private().with_no_cache());
    let is_known = known.is_some_and(|TypedHeader(known)| !known.precondition_passes(&edition));
    let edition = TypedHeader(edition);
    if is_known {
        return (StatusCode::NOT_MODIFIED, keep, edition).into_response();
    }
    (keep, edition, Html("<!DOCTYPE html>\n<title>Report</title>\n<p>All is well.</p>\n"))
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::{ETAG, IF_NONE_MATCH, LOCATION, VARY};
    use ecosystem::testing::{ask, cookies_set, handle, logged_in, send_form, text, visit, with};
    use time::Duration;
    use tower_curfew::clock::ManualClock;

    use super::*;

    const SESSION: &str = "__Host-Http-session=";

    fn started(clock: &ManualClock) -> (Curfew, Router) {
        let curfew = handle(clock).build().unwrap();
        (curfew.clone(), app(&curfew, Key::from(&[7; 64])))
    }

    /// What a browser sends that keeps these cookies.
    fn both(session: &HeaderValue, other: &str) -> HeaderValue {
        let pair = other.split(';').next().unwrap();
        format!("{}; {pair}", session.to_str().unwrap()).parse().unwrap()
    }

    #[tokio::test]
    async fn a_message_is_shown_once() {
        let (curfew, app) = started(&ManualClock::default());
        let session = logged_in(&curfew, "ada").await;
        let saved = ask(&app, &session, send_form("/notes", "")).await;
        assert_eq!(saved.headers()[LOCATION], "/");
        let [message] = &cookies_set(&saved)[..] else { panic!("{saved:?}") };
        assert!(message.starts_with("__Host-message="), "{message}");
        assert!(!message.contains("note"), "it is encrypted: {message}");

        let home = ask(&app, &both(&session, message), visit("/")).await;
        let [deleted] = &cookies_set(&home)[..] else { panic!("{home:?}") };
        assert!(deleted.starts_with("__Host-message=;") && deleted.contains("Secure"), "{deleted}");
        let home = text(home).await;
        assert!(home.contains(r#"<p role="status">Your note is saved.</p>"#), "{home}");

        let again = ask(&app, &session, visit("/")).await;
        assert!(!text(again).await.contains("status"));
    }

    #[tokio::test]
    async fn a_message_is_for_nobody_but_the_user_who_caused_it() {
        let (curfew, app) = started(&ManualClock::default());
        let (ada, grace) = (logged_in(&curfew, "ada").await, logged_in(&curfew, "grace").await);
        let saved = ask(&app, &ada, send_form("/notes", "")).await;
        let home = ask(&app, &both(&grace, &cookies_set(&saved)[0]), visit("/")).await;
        assert!(cookies_set(&home)[0].starts_with("__Host-message=;"));
        assert!(!text(home).await.contains("status"));
    }

    #[tokio::test]
    async fn the_session_cookie_is_refreshed_beside_another_cookie() {
        let clock = ManualClock::default();
        let (curfew, app) = started(&clock);
        let session = logged_in(&curfew, "ada").await;
        clock.advance(Duration::hours(2));
        let saved = ask(&app, &session, send_form("/notes", "")).await;
        let [message, refreshed] = &cookies_set(&saved)[..] else { panic!("{saved:?}") };
        assert!(message.starts_with("__Host-message="), "{message}");
        assert!(refreshed.starts_with(SESSION), "{refreshed}");
        assert_eq!(saved.headers()[CACHE_CONTROL], "no-store");
    }

    #[tokio::test]
    async fn a_report_that_is_known_is_not_sent_again_and_carries_no_session_cookie() {
        let clock = ManualClock::default();
        let (curfew, app) = started(&clock);
        let session = logged_in(&curfew, "ada").await;
        let first = ask(&app, &session, visit("/report")).await;
        assert_eq!(first.headers()[CACHE_CONTROL], "no-cache, private");
        let edition = first.headers()[ETAG].clone();
        assert!(text(first).await.contains("All is well."));

        // A cache would file a cookie of a 304 with the page, so the next answer carries it.
        clock.advance(Duration::hours(2));
        let known = with(visit("/report"), IF_NONE_MATCH, edition);
        let same = ask(&app, &session, known).await;
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert!(cookies_set(&same).is_empty(), "{same:?}");

        let whole = ask(&app, &session, visit("/report")).await;
        let [refreshed] = &cookies_set(&whole)[..] else { panic!("{whole:?}") };
        assert!(refreshed.starts_with(SESSION), "{refreshed}");
        assert_eq!(whole.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(whole.headers()[VARY], "Cookie");
    }

    #[tokio::test]
    async fn without_a_session_nothing_is_known() {
        let (_, app) = started(&ManualClock::default());
        let known = with(visit("/report"), IF_NONE_MATCH, HeaderValue::from_static(EDITION));
        let response = ecosystem::testing::send(&app, known).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
    }
}
