//! What a person does with a page and sees on it. Whatever is not there is waited for, and if it does
//! not come, the panic tells what is there instead.

use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use serde_json::Value;
use url::Url;

use super::browser::Browser;

pub(crate) struct Page {
    browser: Browser,
    base: String,
}

impl Page {
    pub(crate) fn new(browser: Browser, port: u16) -> Self {
        // Chromium takes a `Secure` cookie from there over plain http.
        Self { browser, base: format!("http://localhost:{port}") }
    }

    pub(crate) fn client(&self) -> &Client {
        self.browser.client()
    }

    pub(crate) async fn open(&self, path: &str) {
        self.client().goto(&format!("{}{path}", self.base)).await.unwrap();
    }

    /// Clicks the link or button with this text or label.
    pub(crate) async fn click(&self, name: &str) {
        self.shown(&control(name)).await.click().await.unwrap();
    }

    /// The same within another element.
    pub(crate) async fn click_in(&self, within: &str, name: &str) {
        self.shown(&format!("{within}{}", control(name))).await.click().await.unwrap();
    }

    /// Whether there is such a link or button to click.
    pub(crate) async fn offers(&self, name: &str) -> bool {
        self.is_shown(&control(name)).await
    }

    /// Types into the input with this name.
    pub(crate) async fn fill(&self, input: &str, text: &str) {
        let input = self.shown(&format!("//input[@name='{input}']")).await;
        input.clear().await.unwrap();
        input.send_keys(text).await.unwrap();
    }

    /// Signs in with the keyboard alone.
    pub(crate) async fn sign_in(&self, user: &str, password: &str) {
        self.heading("Sign in").await;
        let input = self.shown("//input[@name='username']").await;
        input.clear().await.unwrap();
        let (tab, enter) = (char::from(Key::Tab), char::from(Key::Enter));
        input.send_keys(&format!("{user}{tab}{password}{enter}")).await.unwrap();
    }

    /// The page has this heading, and no other of its rank.
    pub(crate) async fn heading(&self, text: &str) {
        self.shown(&format!("//main//h1[normalize-space() = {}]", quoted(text))).await;
        let headings = self.client().find_all(Locator::Css("h1, main")).await.unwrap();
        assert_eq!(headings.len(), 2, "one main and one h1, on {}", self.described().await);
    }

    /// The page has this text.
    pub(crate) async fn says(&self, text: &str) {
        self.shown(&format!("//main[contains(normalize-space(), {})]", quoted(text))).await;
    }

    /// The page has a message with this text.
    pub(crate) async fn tells(&self, role: &str, text: &str) {
        let text = quoted(text);
        self.shown(&format!("//*[@role='{role}'][contains(normalize-space(), {text})]")).await;
    }

    /// Waits for an element until it is visible.
    pub(crate) async fn shown(&self, path: &str) -> Element {
        self.shown_within(path, Duration::from_secs(10)).await
    }

    pub(crate) async fn shown_within(&self, path: &str, patience: Duration) -> Element {
        let until = tokio::time::Instant::now() + patience;
        loop {
            if let Some(element) = self.find_shown(path).await {
                return element;
            }
            if tokio::time::Instant::now() > until {
                panic!("{path} does not come on {}", self.described().await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits for an element until it is gone or invisible.
    pub(crate) async fn gone_within(&self, path: &str, patience: Duration) {
        let until = tokio::time::Instant::now() + patience;
        while self.is_shown(path).await {
            if tokio::time::Instant::now() > until {
                panic!("{path} does not go away on {}", self.described().await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn is_shown(&self, path: &str) -> bool {
        self.find_shown(path).await.is_some()
    }

    /// The page may change meanwhile; then it is asked again.
    async fn find_shown(&self, path: &str) -> Option<Element> {
        for element in self.client().find_all(Locator::XPath(path)).await.ok()? {
            match element.is_displayed().await {
                Ok(true) => return Some(element),
                Ok(false) => {}
                Err(CmdError::Standard(_)) => return None,
                Err(error) => panic!("{error}"),
            }
        }
        None
    }

    /// Path and query of the page.
    pub(crate) async fn path(&self) -> String {
        let url = self.client().current_url().await.unwrap();
        url.as_str().strip_prefix(&self.base).unwrap_or(url.as_str()).to_owned()
    }

    /// Waits until the page is this one.
    pub(crate) async fn is_at(&self, path: &str) {
        let url = Url::parse(&format!("{}{path}", self.base)).unwrap();
        let wait = self.client().wait().at_most(Duration::from_secs(10));
        if wait.for_url(&url).await.is_err() {
            panic!("not on {path} but on {}", self.described().await);
        }
    }

    /// The header that a request of this browser has.
    pub(crate) async fn cookie(&self) -> String {
        let cookie = self.client().get_named_cookie("__Host-Http-session").await.unwrap();
        format!("Cookie: {}={}", cookie.name(), cookie.value())
    }

    /// A command for the developer tools.
    pub(crate) async fn devtools(&self, command: &'static str, parameters: Value) {
        self.browser.devtools(command, parameters).await;
    }

    /// For messages.
    pub(crate) async fn described(&self) -> String {
        let body = self.client().find(Locator::Css("body")).await;
        let text = match body {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        format!("{}:\n{text}", self.path().await)
    }
}

/// The path to a link or button with this text or label.
fn control(name: &str) -> String {
    let name = quoted(name);
    format!(
        "//*[self::a or self::button or self::summary]\
         [normalize-space() = {name} or @aria-label = {name}]"
    )
}

/// As XPath writes text.
pub(crate) fn quoted(text: &str) -> String {
    let mark = if text.contains('\'') { '"' } else { '\'' };
    format!("{mark}{text}{mark}")
}
