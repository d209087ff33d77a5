//! What all pages have in common. What comes from clients is text from anywhere: maud escapes it.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use tower_curfew::clock::Timestamp;
use tower_curfew::{ActiveSession, Error, ErrorKind, Session};

use crate::app::App;
use crate::hashing::Busy;
use crate::{users, words};

/// Somebody who is signed in and looks at a page, and when. Others are sent to sign in.
pub(crate) struct Viewer {
    session: Session,
    pub(crate) now: Timestamp,
}

impl Deref for Viewer {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let session = <Session as FromRequestParts<App>>::from_request_parts(parts, app).await?;
        Ok(Self { session, now: app.clock.now() })
    }
}

impl Viewer {
    /// A page with the navigation, and with the banner that warns before the session ends.
    pub(crate) fn page(&self, title: &str, content: &Markup) -> Markup {
        let link = |to: &str, text: &str| {
            html! { a href=(to) aria-current=[(text == title).then_some("page")] { (text) } }
        };
        let body = html! {
            a.skip href="#content" { "Skip to content" }
            header {
                nav aria-label="Main" {
                    (link("/", "Home"))
                    (link("/settings/account/sessions", "Active sessions"))
                    @for org in users::administered_by(self.user()) {
                        (link(&format!("/admin/{org}/security"), "Session security"))
                    }
                }
                form method="post" action="/logout" { button { "Sign out" } }
            }
            (main(title, content))
            // The script fills it in, and shows it when the time has come.
            div #ending role="status" aria-live="polite" data-warn-seconds=(self.warn_at()) hidden {
                p.shown aria-hidden="true" {}
                p.unseen {}
                button type="button" { "Stay signed in" }
            }
            script src="/assets/session.js" defer {}
        };
        document(title, &body)
    }

    /// So many seconds before the end is the time to warn: 2 minutes, or a third of what is left
    /// now, right after activity.
    fn warn_at(&self) -> i64 {
        let idle = self.schedule().idle.as_ref().map(|end| end.at.since(self.now));
        idle.map_or(120, |left| (left.whole_seconds() / 3).clamp(1, 120))
    }

    /// When something was, as in `3 minutes ago`, with the exact time on hover.
    pub(crate) fn ago(&self, at: Timestamp) -> Markup {
        html! {
            time datetime=(at) title=(words::exact(at)) { (words::ago(self.now.since(at))) }
        }
    }

    /// When a session was last active. That an admin changes a policy is no activity, so not when its
    /// end was last moved.
    pub(crate) fn last_seen(&self, one: &ActiveSession) -> Markup {
        html! { @if let Some(seen) = one.last_seen_at() { (self.ago(seen)) } @else { "never" } }
    }
}

/// A question before something that cannot be undone, in a dialog.
pub(crate) struct Question<'a> {
    /// Unique on the page.
    pub(crate) id: &'a str,
    /// What both buttons say: the one that asks, and the one that does it.
    pub(crate) button: &'a str,
    /// What it is about, where the page has several such buttons.
    pub(crate) about: Option<&'a str>,
    pub(crate) title: &'a str,
    pub(crate) text: Markup,
    /// Where the form is sent.
    pub(crate) action: &'a str,
}

impl Question<'_> {
    /// The button with its dialog. A popover opens without scripts; where the browser knows none, the
    /// style sheet shows the dialog at once.
    pub(crate) fn asked(&self) -> Markup {
        let Self { id, button, about, title, text, action } = self;
        let label = about.map(|about| format!("{button} {about}"));
        html! {
            button type="button" popovertarget=(id) aria-haspopup="dialog" aria-label=[label] {
                (button)
            }
            dialog #(id) popover aria-labelledby={ (id) "-title" } {
                h2 #{ (id) "-title" } { (title) }
                p { (text) }
                form.choice method="post" action=(action) {
                    button.danger { (button) }
                    // What undoes nothing has the focus.
                    button type="button" popovertarget=(id) popovertargetaction="hide" autofocus {
                        "Cancel"
                    }
                }
            }
        }
    }
}

/// A page for everybody.
pub(crate) fn open(title: &str, content: &Markup) -> Markup {
    document(title, &main(title, content))
}

fn main(title: &str, content: &Markup) -> Markup {
    html! {
        main #content tabindex="-1" {
            h1 { (title) }
            (content)
        }
    }
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Curfew" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/assets/style.css";
            }
            body { (body) }
        }
    }
}

/// A message in answer to what somebody did.
pub(crate) fn status(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { p role="status" { (text) } } }
}

/// A message that something did not work.
pub(crate) fn alert(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { p role="alert" { (text) } } }
}

/// A page that says why there is no other one.
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
    retry_after: Option<HeaderValue>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: &str) -> Self {
        Self { status, text: text.to_owned(), retry_after: None }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such page, or no longer.")
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let mut response = error.response();
        let text = match error.kind() {
            ErrorKind::Unavailable => "Sessions cannot be reached just now. Try again soon.".into(),
            _ => sentence(&error),
        };
        let retry_after = response.headers_mut().remove(header::RETRY_AFTER);
        Self { status: response.status(), text, retry_after }
    }
}

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        let text = "Too many people sign in just now. Try again in a few seconds.";
        let retry_after = Some(HeaderValue::from_static("5"));
        Self { retry_after, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
    }
}

/// An error as a sentence.
pub(crate) fn sentence(error: &impl ToString) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Sorry");
        let content = html! {
            p role="alert" { (self.text) }
            p { a href="/" { "Home" } }
        };
        let mut response = (self.status, open(title, &content)).into_response();
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}
