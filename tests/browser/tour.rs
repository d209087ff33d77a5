//! The tour of the example `console`: everything that people and admins do there, once on each
//! store, and once with JavaScript off. `CURFEW_LONG=1` runs those on PostgreSQL and Redis.
//!
//! - `CURFEW_TEST_POSTGRES` and `CURFEW_TEST_REDIS` are the URLs of servers for the tours on these
//!   stores. Each gets a schema or an empty database of its own and removes it.
//! - `target/axe/axe.min.js`, or the file that `CURFEW_TEST_AXE` names, is axe-core, to check each
//!   page with. `CURFEW_REQUIRE_AXE=1` fails if it is missing.
//!
//! Pictures of the pages are left in `target/screenshots`.

mod admins;
mod people;
mod silence;

use std::env;

use super::audit::{audit, picture};
use super::browser::{Browser, Profile};
use super::page::Page;
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

pub(crate) const LAPTOP: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/140.0.0.0 Safari/537.36";
pub(crate) const OFFICE: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";

struct Tour {
    javascript: bool,
    /// One tour is enough to look at each page.
    looks: bool,
}

async fn tour(test: &str, kind: Kind, javascript: bool) {
    let is_long = env::var("CURFEW_LONG").is_ok_and(|long| long == "1");
    if !matches!(kind, Kind::Sqlite) && !is_long {
        let why = "the pages are those of the tour on SQLite; CURFEW_LONG=1 runs it";
        return skipped(test, why, "CURFEW_LONG");
    }
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
}
