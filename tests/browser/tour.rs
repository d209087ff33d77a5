//! The tour of the example `console`: everything that people and admins do there, once on each
//! store, and once with JavaScript off.
//!
//! - `CURFEW_TEST_POSTGRES` and `CURFEW_TEST_REDIS` are the URLs of servers for the tours on these
//!   stores. Each gets a schema or an empty database of its own and removes it.
//! - `target/axe/axe.min.js`, or the file that `CURFEW_TEST_AXE` names, is axe-core, to check each
//!   page with. `CURFEW_REQUIRE_AXE=1` fails if it is missing.
//!
//! Pictures of the pages are left in `target/screenshots`.

use std::time::Duration;

use fantoccini::Locator;
use tokio::time::{Instant, sleep, sleep_until};

use super::audit::{audit, audit_at_once, look, picture};
use super::browser::{Browser, Profile};
use super::page::{Page, quoted};
use super::place::{Kind, Place};
use super::server::Server;
use super::{has_browser, skipped};

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_on_sqlite() {
    tour("the_tour_on_sqlite", Kind::Sqlite, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_on_sqlite_without_javascript() {
    tour("the_tour_on_sqlite_without_javascript", Kind::Sqlite, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_on_postgresql() {
    tour("the_tour_on_postgresql", Kind::Postgres, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_on_redis() {
    tour("the_tour_on_redis", Kind::Redis, true).await;
}

const ACTIVE_SESSIONS: &str = "/settings/account/sessions";
const SECURITY: &str = "/admin/acme/security";

const LAPTOP: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/140.0.0.0 Safari/537.36";
const OFFICE: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";

struct Tour {
    javascript: bool,
    /// One tour is enough to look at each page.
    looks: bool,
}

async fn tour(test: &str, kind: Kind, javascript: bool) {
    if !has_browser(test) {
        return;
    }
    let tour = Tour { javascript, looks: matches!(kind, Kind::Sqlite) && javascript };
    let (long, short) = match (Place::new(kind).await, Place::new(kind).await) {
        (Ok(long), Ok(short)) => (long, short),
        (Err(missing), _) | (_, Err(missing)) => {
            return skipped(test, &missing, "CURFEW_REQUIRE_STORES");
        }
    };
    tokio::join!(tour.sessions_and_admins(&long.url), tour.silence(&short.url));
    long.clear().await;
    short.clear().await;
}

impl Tour {
    fn server(store: &str, limits: &[&str]) -> Server {
        let first = ["--addr", "{address}", "--store", store];
        Server::start("console", &[&first, limits].concat(), &[])
    }

    async fn page(&self, server: &Server, user_agent: &'static str) -> Page {
        let profile =
            Profile { user_agent: Some(user_agent), without_javascript: !self.javascript };
        Page::new(Browser::start(profile).await, server.port())
    }

    /// Looks closely at a page, and leaves a picture of it.
    async fn look(&self, page: &Page, name: &str) {
        if self.looks {
            picture(page, name).await;
            audit(page, name).await;
        }
    }

    // --- people and admins ---------------------------------------------------------------------

    async fn sessions_and_admins(&self, store: &str) {
        let server = Self::server(store, &["--absolute", "7d", "--policy-minimum", "1s"]);
        let ada = self.page(&server, LAPTOP).await;
        let other = self.page(&server, OFFICE).await;
        self.people(&server, &ada, &other).await;

        let said = server.said();
        for user in ["ada", "lovelace", "grace", "hopper", "alan", "turing"] {
            assert!(said.contains(user), "{user} is not among the demo users: {said}");
        }

        let grace = self.page(&server, OFFICE).await;
        ada.open("/").await;
        ada.sign_in("ada", "lovelace").await;
        ada.says("Signed in as ada").await;
        other.open("/").await;
        other.sign_in("alan", "turing").await;
        other.says("Signed in as alan").await;
        self.admins(&server, &ada, &grace, &other).await;
    }

    /// ada at her laptop sees and ends what else is hers.
    async fn people(&self, server: &Server, ada: &Page, office: &Page) {
        ada.open("/").await;
        ada.heading("Sign in").await;
        assert_eq!(ada.path().await, "/login?return_to=%2F");
        self.look(ada, "sign-in").await;
        ada.sign_in("ada", "byron").await;
        ada.tells("alert", "This user name and password do not go together.").await;
        self.look(ada, "sign-in-refused").await;
        ada.sign_in("ada", "lovelace").await;
        ada.heading("Home").await;
        ada.says("Signed in as ada").await;
        ada.is_at("/").await;
        assert!(!ada.offers("Session security").await, "ada administers nothing");
        self.look(ada, "home").await;
        if self.looks {
            look(ada, "dark", 1100).await;
            picture(ada, "home-dark").await;
            look(ada, "light", 1100).await;
        }
        let answer = server.visit("/", &ada.cookie().await).await.to_lowercase();
        assert!(answer.contains("content-security-policy: default-src 'none'"), "{answer}");
        assert!(!answer.contains("unsafe-"), "{answer}");

        office.open(ACTIVE_SESSIONS).await;
        office.sign_in("ada", "lovelace").await;
        office.heading("Active sessions").await;
        office.is_at(ACTIVE_SESSIONS).await;
        sessions(office, "Firefox on Windows", &["Chrome on Linux"]).await;

        ada.click("Active sessions").await;
        ada.heading("Active sessions").await;
        ada.is_at(ACTIVE_SESSIONS).await;
        sessions(ada, "Chrome on Linux", &["Firefox on Windows"]).await;
        self.look(ada, "active-sessions").await;

        ada.click("Actions for Firefox on Windows").await;
        if self.looks {
            picture(ada, "active-sessions-menu").await;
            audit(ada, "active-sessions-menu").await;
            look(ada, "dark", 400).await;
            picture(ada, "active-sessions-narrow-dark").await;
            look(ada, "light", 1100).await;
        }
        ada.click("Terminate").await;
        ada.heading("Terminate this session?").await;
        ada.says("Firefox on Windows").await;
        self.look(ada, "terminate").await;
        ada.click("Cancel").await;
        sessions(ada, "Chrome on Linux", &["Firefox on Windows"]).await;
        ada.click("Actions for Firefox on Windows").await;
        ada.click("Terminate").await;
        ada.heading("Terminate this session?").await;
        ada.click("Terminate").await;
        ada.heading("Active sessions").await;
        sessions(ada, "Chrome on Linux", &[]).await;

        office.click("Home").await;
        office.heading("Sign in").await;
        office.tells("status", "You were signed out from another device.").await;
        self.look(office, "sign-in-revoked").await;
        ada.open(ACTIVE_SESSIONS).await;
        sessions(ada, "Chrome on Linux", &[]).await;

        self.tokens(server, ada).await;

        office.sign_in("ada", "lovelace").await;
        office.says("Signed in as ada").await;
        office.is_at("/").await;
        ada.open(ACTIVE_SESSIONS).await;
        sessions(ada, "Chrome on Linux", &["Firefox on Windows"]).await;
        ada.click("Log out of all sessions").await;
        ada.heading("Log out of all sessions?").await;
        self.look(ada, "log-out-of-all").await;
        ada.click("Log out of all sessions").await;
        ada.heading("Sign in").await;
        office.click("Active sessions").await;
        office.heading("Sign in").await;
        office.tells("status", "You were signed out from another device.").await;

        // From the menu of the current one.
        office.sign_in("ada", "lovelace").await;
        office.is_at(ACTIVE_SESSIONS).await;
        sessions(office, "Firefox on Windows", &[]).await;
        office.click("Actions for Firefox on Windows").await;
        office.click("Log out").await;
        office.heading("Log out?").await;
        self.look(office, "log-out").await;
        office.click("Log out").await;
        office.heading("Sign in").await;
        office.open("/").await;
        office.heading("Sign in").await;
    }

    async fn tokens(&self, server: &Server, ada: &Page) {
        ada.says("Tokens").await;
        ada.fill("name", "backup").await;
        ada.click("Create token").await;
        let token = ada.shown("//main//code[@id='token']").await.text().await.unwrap();
        assert!(token.len() > 40, "{token}");
        self.look(ada, "token").await;
        let header = format!("Authorization: Bearer {token}");
        let answer = server.visit("/api/session", &header).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

        ada.open(ACTIVE_SESSIONS).await;
        ada.shown("//main//li[@data-token][contains(., 'backup')]").await;
        let source = ada.client().source().await.unwrap();
        assert!(!source.contains(&token), "a token is shown once");
        self.look(ada, "tokens").await;
        ada.click("Delete token backup").await;
        ada.says("backup").await;
        self.look(ada, "delete-token").await;
        ada.click("Delete").await;
        ada.heading("Active sessions").await;
        assert!(!ada.is_shown("//main//li[@data-token]").await, "{}", ada.described().await);
        let answer = server.visit("/api/session", &header).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }

    /// grace of acme decides about herself and ada, and not about alan of globex.
    async fn admins(&self, server: &Server, ada: &Page, grace: &Page, alan: &Page) {
        let lasting = "Sessions last as long as the app lets them.";

        let answer = server.visit(SECURITY, &ada.cookie().await).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        ada.open(SECURITY).await;
        ada.shown("//main//h1").await;
        self.look(ada, "forbidden").await;
        ada.open("/nowhere").await;
        ada.shown("//main//h1").await;
        self.look(ada, "not-found").await;
        let answer = server.visit(SECURITY, &alan.cookie().await).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");

        grace.open("/").await;
        grace.sign_in("grace", "hopper").await;
        grace.says("Signed in as grace").await;
        grace.click("Session security").await;
        grace.heading("Session security").await;
        grace.is_at(SECURITY).await;
        grace.says("acme").await;
        grace.says(lasting).await;
        self.look(grace, "security").await;

        choose(grace, "#length select[name=days]", "own").await;
        grace.click_in("//form[@id='length']", "Preview").await;
        grace.shown("//*[@role='alert']").await;
        grace.heading("Session security").await;
        self.look(grace, "security-refused").await;
        grace.click("Session security").await;
        grace.heading("Session security").await;

        // Everybody has been there for longer than a second.
        sleep(Duration::from_millis(1_200)).await;
        choose(grace, "#length select[name=days]", "own").await;
        grace.fill("number", "1").await;
        choose(grace, "#length select[name=unit]", "seconds").await;
        grace.click_in("//form[@id='length']", "Preview").await;
        grace.heading("Before you save").await;
        grace.says("2 sessions end now").await;
        grace.says("Yours is among them.").await;
        self.look(grace, "preview-own").await;
        grace.click("Cancel").await;
        grace.is_at(SECURITY).await;
        grace.says(lasting).await;

        choose(grace, "#length select[name=days]", "1").await;
        grace.click_in("//form[@id='length']", "Preview").await;
        grace.heading("Before you save").await;
        grace.says("0 sessions end now, 2 end sooner.").await;
        let source = grace.client().source().await.unwrap();
        assert!(!source.contains("Yours is among them."), "nobody is signed out at once");
        self.look(grace, "preview").await;
        grace.click("Save").await;
        grace.heading("Session security").await;
        grace.says("Sign-in again after 1 day.").await;
        self.look(grace, "security-saved").await;
        ada.open("/").await;
        ada.says("because of acme").await;
        self.look(ada, "home-acme").await;
        alan.click("Home").await;
        let source = alan.client().source().await.unwrap();
        assert!(!source.contains("acme"), "alan is not of acme");

        grace.click("Disable").await;
        grace.heading("Session security").await;
        grace.says(lasting).await;
        grace.fill("absolute_hours", "12").await;
        grace.fill("idle_minutes", "30").await;
        grace.click_in("//form[@id='durations']", "Preview").await;
        grace.heading("Before you save").await;
        grace.says("0 sessions end now, 2 end sooner.").await;
        grace.click("Save").await;
        grace.says("12 hours").await;
        grace.says("30 minutes").await;
        grace.click("Disable").await;
        grace.says(lasting).await;

        grace.click("Revoke all sessions").await;
        grace.heading("Revoke all sessions?").await;
        grace.says("This signs out everybody in acme, you too.").await;
        self.look(grace, "revoke").await;
        grace.click("Cancel").await;
        grace.heading("Session security").await;
        grace.click("Revoke all sessions").await;
        grace.heading("Revoke all sessions?").await;
        grace.click("Revoke all sessions").await;
        for page in [grace, ada] {
            if page.path().await == "/" {
                page.click("Home").await;
            }
            page.heading("Sign in").await;
            page.tells("status", "Your organization has signed everybody out.").await;
        }
        self.look(grace, "sign-in-org").await;
        alan.click("Home").await;
        alan.says("Signed in as alan").await;

        ada.sign_in("ada", "lovelace").await;
        ada.says("Signed in as ada").await;
        alan.click("Sign out").await;
        alan.heading("Sign in").await;
        // No page of before is shown from a cache.
        alan.client().back().await.unwrap();
        alan.heading("Sign in").await;
    }

    // --- silence -------------------------------------------------------------------------------

    async fn silence(&self, store: &str) {
        let server = Self::server(store, &["--idle", "20s", "--refresh", "1s"]);
        let page = self.page(&server, LAPTOP).await;
        page.open(ACTIVE_SESSIONS).await;
        page.sign_in("ada", "lovelace").await;
        page.heading("Active sessions").await;
        if self.javascript {
            self.warned(&server, &page).await;
        } else {
            sleep(IDLE + Duration::from_secs(1)).await;
            // Nothing warns, and nothing goes anywhere by itself.
            assert!(!page.is_shown(ENDING).await, "{}", page.described().await);
            page.heading("Active sessions").await;
            page.click("Active sessions").await;
        }
        let came_from = format!("/login?return_to={}", ACTIVE_SESSIONS.replace('/', "%2F"));
        let came_from =
            if page.path().await.starts_with(&came_from) { ACTIVE_SESSIONS } else { "/" };
        page.heading("Sign in").await;
        page.tells("status", SILENT).await;
        self.look(&page, "sign-in-idle").await;
        page.sign_in("ada", "lovelace").await;
        page.is_at(came_from).await;
        page.says(if came_from == "/" { "Signed in as ada" } else { "Tokens" }).await;
    }

    /// Stays signed in once, and then lets the session end.
    async fn warned(&self, server: &Server, page: &Page) {
        let first = page.client().window().await.unwrap();
        let second = page.client().new_window(true).await.unwrap().handle;
        page.client().switch_to_window(second.clone()).await.unwrap();
        page.open("/").await;
        page.says("Signed in as ada").await;
        let last_activity = Instant::now();
        let cookie = page.cookie().await;
        assert!(!page.is_shown(ENDING).await, "{}", page.described().await);

        let before_the_end = "the banner comes before the end, and not at once";
        page.shown_within(ENDING, IDLE).await;
        let after = last_activity.elapsed();
        assert!(after > IDLE / 2 && after < IDLE, "{before_the_end}: after {after:?}");
        page.client().switch_to_window(first.clone()).await.unwrap();
        page.shown(&format!("{ENDING}[contains(., {})]", quoted("Your session ends in"))).await;
        page.click("Stay signed in").await;
        let stayed = Instant::now();
        assert!(stayed - last_activity < IDLE, "{before_the_end}");
        page.gone_within(ENDING, Duration::from_secs(2)).await;
        page.client().switch_to_window(second.clone()).await.unwrap();
        page.gone_within(ENDING, Duration::from_secs(2)).await;

        // To ask is not to be active.
        sleep_until(last_activity + IDLE + Duration::from_secs(1)).await;
        let answer = server.visit("/api/session", &cookie).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(page.path().await, "/");

        page.client().switch_to_window(first).await.unwrap();
        page.shown_within(ENDING, IDLE).await;
        if self.looks {
            picture(page, "ending").await;
            audit_at_once(page, "ending").await;
        }
        let sign_in = "//main//h1[. = 'Sign in']";
        page.shown_within(sign_in, Duration::from_secs(15)).await;
        let after = stayed.elapsed();
        assert!(after > IDLE - Duration::from_secs(1), "it ended after {after:?}");
        page.tells("status", SILENT).await;
        // The other tab too, though the first has given up the cookie.
        page.client().switch_to_window(second).await.unwrap();
        page.shown_within(sign_in, Duration::from_secs(5)).await;
    }
}

const IDLE: Duration = Duration::from_secs(20);
const SILENT: &str = "Your session ended after 20 seconds without activity.";
const ENDING: &str = "//*[@id='ending']";

/// The list has these devices and no others, and says which is the current one.
async fn sessions(page: &Page, current: &str, others: &[&str]) {
    page.heading("Active sessions").await;
    let rows = "//main//table[caption]//tr[@data-session]";
    let row = |device: &str| format!("{rows}[contains(., {})]", quoted(device));
    page.shown(&format!("{}[contains(., 'Current')]", row(current))).await;
    for device in others {
        page.shown(&format!("{}[not(contains(., 'Current'))]", row(device))).await;
    }
    let found = page.client().find_all(Locator::XPath(rows)).await.unwrap();
    assert_eq!(found.len(), others.len() + 1, "{}", page.described().await);
    for row in found {
        assert!(row.text().await.unwrap().contains("Unknown location"));
        let time = row.find(Locator::Css("time")).await.unwrap();
        for attribute in ["datetime", "title"] {
            let exact = time.attr(attribute).await.unwrap();
            assert!(
                exact.is_some_and(|exact| exact.contains("20")),
                "the exact time in {attribute}"
            );
        }
    }
}

async fn choose(page: &Page, select: &str, value: &str) {
    let select = page.client().find(Locator::Css(select)).await.unwrap();
    select.select_by_value(value).await.unwrap();
}
