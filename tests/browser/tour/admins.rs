//! An admin decides how long the sessions of an organization last.

use std::time::Duration;

use fantoccini::Locator;
use tokio::time::sleep;

use super::{SECURITY, Tour};
use crate::page::Page;
use crate::server::Server;

impl Tour {
    /// grace of acme decides about herself and ada, and not about alan of globex.
    pub(super) async fn admins(&self, server: &Server, ada: &Page, grace: &Page, alan: &Page) {
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

        let custom = "//input[@name='absolute_hours']";
        assert!(!grace.is_shown(custom).await, "they are for a length of one's own");
        choose(grace, "custom").await;
        grace.shown(custom).await;
        assert!(!grace.is_shown("//input[@name='refresh']").await, "it is for the others");
        grace.click("Preview").await;
        grace.tells("alert", "Choose a length").await;
        grace.heading("Session security").await;
        grace.shown(custom).await;
        self.look(grace, "security-refused").await;
        grace.click("Session security").await;
        grace.heading("Session security").await;

        // Everybody has been there for longer than a second.
        sleep(Duration::from_millis(1_200)).await;
        choose(grace, "custom").await;
        grace.fill("absolute_seconds", "1").await;
        grace.click("Preview").await;
        grace.heading("Before you save").await;
        grace.says("2 sessions end now").await;
        grace.says("Yours is among them.").await;
        grace.says("With this policy: 2 at once.").await;
        self.look(grace, "preview-own").await;
        grace.click("Cancel").await;
        grace.is_at(SECURITY).await;
        grace.says(lasting).await;

        choose(grace, "86400").await;
        grace.click("Preview").await;
        grace.heading("Before you save").await;
        grace.says("0 sessions end now, 2 end sooner.").await;
        let source = grace.client().source().await.unwrap();
        assert!(!source.contains("Yours is among them."), "nobody is signed out at once");
        self.look(grace, "preview").await;
        picture_of_a_day_instead_of_a_week(grace).await;
        self.look(grace, "preview-table").await;
        grace.click("Save").await;
        grace.heading("Session security").await;
        grace.says("Sign-in again after 1 day.").await;
        let chosen = grace.shown("//input[@name='length'][@value='86400']").await;
        assert!(chosen.is_selected().await.unwrap(), "the form shows what is in force");
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
        choose(grace, "custom").await;
        grace.fill("absolute_hours", "12").await;
        grace.fill("idle_minutes", "510").await;
        grace.click("Preview").await;
        grace.heading("Before you save").await;
        grace.says("0 sessions end now, 2 end sooner.").await;
        grace.click("Save").await;
        grace
            .says("Sign-in again after 12 hours, or after 8 hours 30 minutes without activity.")
            .await;
        grace.click("Disable").await;
        grace.says(lasting).await;

        choose(grace, "604800").await;
        grace.shown("//input[@name='refresh']").await.click().await.unwrap();
        grace.click("Preview").await;
        grace.says("Sign-in again after 7 days without activity.").await;
        grace.click("Cancel").await;

        grace.click("Revoke all sessions").await;
        grace.shown("//dialog//h2[. = 'Revoke all sessions?']").await;
        grace.shown("//dialog[contains(., 'This signs out everybody in acme, you too.')]").await;
        self.look(grace, "revoke").await;
        grace.click_in("//dialog", "Cancel").await;
        grace.gone_within("//dialog", Duration::from_secs(2)).await;
        grace.click("Revoke all sessions").await;
        grace.click_in("//dialog", "Revoke all sessions").await;
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
}

async fn choose(page: &Page, length: &str) {
    let choice = format!("//input[@name='length'][@value='{length}']");
    page.shown(&choice).await.click().await.unwrap();
}

/// Both sessions move from the last column to the first, as anybody sees it, and as the table says.
async fn picture_of_a_day_instead_of_a_week(page: &Page) {
    page.says("As it is: 2 within 7 days.").await;
    page.says("With this policy: 2 within 1 day.").await;
    let bar = async |kind: &str| {
        let bars = format!("figure svg .{kind}");
        let bars = page.client().find_all(Locator::Css(&bars)).await.unwrap();
        assert_eq!(bars.len(), 1, "{kind}");
        bars[0].rectangle().await.unwrap()
    };
    let (left, top, width, height) = bar("after").await;
    let (left_before, top_before, width_before, height_before) = bar("before").await;
    assert!(left + width < left_before, "it is earlier: {left} {width} {left_before}");
    assert!(top_before + height_before < top, "one is above the other");
    let sizes = [width - width_before, height - height_before];
    assert!(
        height > 20.0 && sizes.iter().all(|off| off.abs() < 2.0),
        "of the same size: {sizes:?}"
    );

    assert!(!page.is_shown("//figure//table").await, "{}", page.described().await);
    page.click("The figures as a table").await;
    for (ends, before, after) in [
        ("At once", 0, 0),
        ("Within 1 day", 0, 2),
        ("1 day to 2 days", 0, 0),
        ("6 days to 7 days", 2, 0),
    ] {
        let row = format!("//figure//tr[th = '{ends}'][td[1] = '{before}'][td[2] = '{after}']");
        page.shown(&row).await;
    }
}
