//! A session that nobody uses: the warning, and the end.

use std::time::Duration;

use fantoccini::wd::WindowHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::{ACTIVE_SESSIONS, LAPTOP, Tour};
use crate::audit::{audit, picture};
use crate::page::{Page, quoted};
use crate::server::Server;

impl Tour {
    pub(super) async fn silence(&self, store: &str) {
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
        let stays = if self.looks { Some(Self::that_stays(page).await) } else { None };
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

        if let Some(stays) = stays {
            page.client().switch_to_window(stays).await.unwrap();
            page.shown_within(ENDING, IDLE).await;
            picture(page, "ending").await;
            audit(page, "ending").await;
            page.client().close_window().await.unwrap();
            page.client().switch_to_window(first).await.unwrap();
        } else {
            page.client().switch_to_window(first).await.unwrap();
            page.shown_within(ENDING, IDLE).await;
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

    /// One more window, which warns as the others do and does not go to the sign-in page: to look closely
    /// may take longer than the session has left.
    async fn that_stays(page: &Page) -> WindowHandle {
        let window = page.client().new_window(true).await.unwrap().handle;
        page.client().switch_to_window(window.clone()).await.unwrap();
        page.open("/").await;
        page.says("Signed in as ada").await;
        page.client().execute("window.leave = () => {}", vec![]).await.unwrap();
        window
    }
}

const IDLE: Duration = Duration::from_secs(20);
const SILENT: &str = "Your session ended after 20 seconds without activity.";
const ENDING: &str = "//*[@id='ending']";
