//! A person sees and ends what is theirs: sessions and tokens.

use std::time::Duration;

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;

use super::{ACTIVE_SESSIONS, Tour};
use crate::audit::{WIDE, look, picture};
use crate::page::{Page, quoted};
use crate::server::Server;

impl Tour {
    /// ada at her laptop sees and ends what else is hers.
    pub(super) async fn people(&self, server: &Server, ada: &Page, office: &Page) {
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
            look(ada, "dark", WIDE).await;
            picture(ada, "home-dark").await;
            look(ada, "light", WIDE).await;
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

        ada.click("Terminate Firefox on Windows").await;
        ada.shown("//dialog//h2[. = 'Terminate this session?']").await;
        ada.shown("//dialog[contains(., 'Firefox on Windows, last seen')]").await;
        self.look(ada, "terminate").await;
        ada.click_in("//dialog", "Cancel").await;
        gone(ada, "//dialog").await;
        self.by_keyboard(ada).await;
        sessions(ada, "Chrome on Linux", &["Firefox on Windows"]).await;
        ada.click("Terminate Firefox on Windows").await;
        ada.click_in("//dialog", "Terminate").await;
        ada.tells("status", "The session is terminated.").await;
        sessions(ada, "Chrome on Linux", &[]).await;
        assert!(!ada.offers("Log out of all other sessions").await, "there are no others");

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
        ada.click("Log out of all other sessions").await;
        ada.shown("//dialog//h2[. = 'Log out of all other sessions?']").await;
        self.look(ada, "log-out-of-others").await;
        ada.click_in("//dialog", "Log out of all other sessions").await;
        ada.tells("status", "You are logged out of all other sessions.").await;
        sessions(ada, "Chrome on Linux", &[]).await;
        office.click("Home").await;
        office.heading("Sign in").await;
        office.tells("status", "You were signed out from another device.").await;

        office.sign_in("ada", "lovelace").await;
        office.says("Signed in as ada").await;
        ada.click("Log out of all sessions").await;
        ada.shown("//dialog//h2[. = 'Log out of all sessions?']").await;
        self.look(ada, "log-out-of-all").await;
        ada.click_in("//dialog", "Log out of all sessions").await;
        ada.heading("Sign in").await;
        office.click("Active sessions").await;
        office.heading("Sign in").await;
        office.tells("status", "You were signed out from another device.").await;

        // The current one.
        office.sign_in("ada", "lovelace").await;
        office.is_at(ACTIVE_SESSIONS).await;
        sessions(office, "Firefox on Windows", &[]).await;
        office.click("Log out Firefox on Windows").await;
        self.look(office, "log-out").await;
        office.click_in("//dialog", "Log out").await;
        office.heading("Sign in").await;
        office.open("/").await;
        office.heading("Sign in").await;
    }

    /// The dialog opens, has the focus on what undoes nothing, and closes without a mouse.
    async fn by_keyboard(&self, page: &Page) {
        let button = page.shown("//button[@aria-label='Terminate Firefox on Windows']").await;
        for key in [Key::Enter, Key::Space] {
            button.send_keys(&char::from(key).to_string()).await.unwrap();
            page.shown("//dialog").await;
            let focused = page.client().active_element().await.unwrap();
            assert_eq!(focused.text().await.unwrap(), "Cancel");
            focused.send_keys(&char::from(Key::Escape).to_string()).await.unwrap();
            gone(page, "//dialog").await;
            let focused = page.client().active_element().await.unwrap();
            let label = focused.attr("aria-label").await.unwrap();
            assert_eq!(label.as_deref(), Some("Terminate Firefox on Windows"));
        }
    }

    async fn tokens(&self, server: &Server, ada: &Page) {
        ada.says("Tokens").await;
        ada.fill("name", "backup").await;
        ada.click("Create token").await;
        let token = ada.shown("//main//code[@id='token']").await.text().await.unwrap();
        assert!(token.len() > 40, "{token}");
        self.look(ada, "token").await;
        if self.javascript {
            copy(ada, &token).await;
        } else {
            assert!(!ada.offers("Copy").await, "without scripts it could do nothing");
        }

        ada.open(ACTIVE_SESSIONS).await;
        let row = "//main//tr[@data-token][contains(., 'backup')]";
        ada.shown(&format!("{row}[contains(., 'Not used yet')][contains(., 'never')]")).await;
        let source = ada.client().source().await.unwrap();
        assert!(!source.contains(&token), "a token is shown once");
        let header = format!("Authorization: Bearer {token}\r\nUser-Agent: curl/8.5.0");
        let answer = server.visit("/api/session", &header).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let answer = server.visit("/", &header).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        ada.open(ACTIVE_SESSIONS).await;
        ada.shown(&format!("{row}[contains(., 'curl')][contains(., 'just now')]")).await;
        self.look(ada, "tokens").await;
        ada.click("Delete backup").await;
        ada.shown("//dialog//h2[. = 'Delete this token?']").await;
        self.look(ada, "delete-token").await;
        ada.click_in("//dialog", "Delete").await;
        ada.tells("status", "The token is deleted.").await;
        assert!(!ada.is_shown("//main//tr[@data-token]").await, "{}", ada.described().await);
        let answer = server.visit("/api/session", &header).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
}

/// The button puts the token where other programs find it.
async fn copy(page: &Page, token: &str) {
    // A person would be asked. What reads it here is the test alone.
    let permissions = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    page.devtools("Browser.grantPermissions", permissions).await;
    page.devtools("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await;
    page.click("Copy").await;
    page.tells("status", "Copied.").await;
    const READ: &str = "const done = arguments[arguments.length - 1];
        navigator.clipboard.readText().then(done, (error) => done(String(error)));";
    let copied = page.client().execute_async(READ, vec![]).await.unwrap();
    assert_eq!(copied, token);
}

async fn gone(page: &Page, path: &str) {
    page.gone_within(path, Duration::from_secs(2)).await;
}

/// The list has these devices and no others, and says which is the current one.
async fn sessions(page: &Page, current: &str, others: &[&str]) {
    page.heading("Active sessions").await;
    let rows = "//main//table[caption]//tr[@data-session]";
    let row = |device: &str| format!("{rows}[contains(., {})]", quoted(device));
    page.shown(&format!("{}[contains(., 'Current')]", row(current))).await;
    for device in others {
        page.shown(&format!("{}[not(contains(., 'Current'))]", row(device))).await;
    }
    let first = page.shown(rows).await.text().await.unwrap();
    assert!(first.contains("Current"), "the current one comes first: {first}");
    let found = page.client().find_all(Locator::XPath(rows)).await.unwrap();
    assert_eq!(found.len(), others.len() + 1, "{}", page.described().await);
    for row in found {
        let text = row.text().await.unwrap();
        assert!(text.contains("Unknown location") && text.contains("127.0.0.1"), "{text}");
        let strip = row.find(Locator::Css("svg[role=img]")).await.unwrap();
        let told = strip.attr("aria-label").await.unwrap().unwrap();
        assert!(told.starts_with("Signed in ") && told.contains(", last seen "), "{told}");
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
