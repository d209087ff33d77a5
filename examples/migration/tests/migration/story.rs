//! What all the apps have to do, however they do it.

use crate::app::{App, visit};
use crate::browser::{Browser, Profile};
use crate::has_browser;
use crate::page::Page;

/// A test for each program of that name.
macro_rules! tells_the_story {
    ($($test:ident: $program:literal,)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            if has_browser(stringify!($test)) {
                let app = App::start(env!(concat!("CARGO_BIN_EXE_", $program)));
                tell(app.port()).await;
            }
        }
    )*};
}

tells_the_story! {
    tower_sessions_before: "tower-sessions-before",
    tower_sessions_side_by_side: "tower-sessions-side-by-side",
    tower_sessions_after: "tower-sessions-after",
    axum_login_before: "axum-login-before",
    axum_login_after: "axum-login-after",
    axum_session_before: "axum-session-before",
    axum_session_after: "axum-session-after",
    actix_session_before: "actix-session-before",
    actix_session_after: "actix-session-after",
}

async fn tell(port: u16) {
    let page = Page::new(Browser::start(Profile::default()).await, port);

    page.open("/").await;
    at_login(&page).await;
    sign_in(&page, "ada", "byron").await;
    page.says("This user name and password do not go together.").await;
    page.open("/").await;
    at_login(&page).await;

    sign_in(&page, "ada", "lovelace").await;
    page.says("Hello ada!").await;
    page.says(FLASH).await;
    page.open("/").await;
    page.says("Hello ada!").await;
    assert!(!shows(&page, FLASH).await, "the message comes once: {}", page.described().await);

    page.says("Your cart has 0.").await;
    page.click("Add to cart").await;
    page.says("Your cart has 1.").await;
    page.click("Add to cart").await;
    page.says("Your cart has 2.").await;

    let sent = sent_by(&page).await;
    let signed_in = visit(port, &sent).await;
    assert!(signed_in.contains("Hello ada!"), "else it proves nothing below: {signed_in}");
    page.click("Sign out").await;
    at_login(&page).await;
    let replayed = visit(port, &sent).await;
    assert!(is_sent_to_login(&replayed), "{replayed}");

    page.client().back().await.unwrap();
    at_login(&page).await;
    assert!(!shows(&page, "Hello").await, "{}", page.described().await);

    page.open("/").await;
    sign_in(&page, "grace", "lovelace").await;
    page.says("Hello grace!").await;
    page.says("Your cart has 0.").await;
}

pub(crate) const FLASH: &str = "You are signed in.";

pub(crate) async fn sign_in(page: &Page, user: &str, password: &str) {
    page.fill("username", user).await;
    page.fill("password", password).await;
    page.click("Sign in").await;
}

/// The page is the login form, whatever its query says.
pub(crate) async fn at_login(page: &Page) {
    page.heading("Sign in").await;
    let path = page.path().await;
    assert_eq!(path.split('?').next(), Some("/login"), "{path}");
}

async fn shows(page: &Page, text: &str) -> bool {
    page.is_shown(&format!("//main[contains(., '{text}')]")).await
}

/// All cookies of the browser, as it would send them.
pub(crate) async fn cookies(page: &Page) -> String {
    let cookies = page.client().get_all_cookies().await.unwrap();
    assert!(!cookies.is_empty(), "nobody is signed in without one");
    let pair =
        |cookie: &fantoccini::cookies::Cookie<'_>| format!("{}={}", cookie.name(), cookie.value());
    cookies.iter().map(pair).collect::<Vec<_>>().join("; ")
}

/// The headers by which an app may know a browser again. axum_session looks at the user agent, too.
pub(crate) async fn sent_by(page: &Page) -> String {
    let agent = page.client().execute("return navigator.userAgent", Vec::new()).await.unwrap();
    let agent = agent.as_str().unwrap();
    format!("Cookie: {}\r\nUser-Agent: {agent}", cookies(page).await)
}

/// axum-login answers with 307 where the others answer with 303.
pub(crate) fn is_sent_to_login(answer: &str) -> bool {
    let status = answer.split(' ').nth(1);
    let location = answer.lines().find_map(|line| {
        line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("location"))
    });
    matches!(status, Some("303" | "307"))
        && location.is_some_and(|(_, to)| to.split('?').next() == Some("/login"))
}
