//! A client that compares each answer with its description.

use std::collections::BTreeSet;
use std::mem;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use ecosystem::testing::{send, text};
use serde_json::Value;

use super::document::Document;

pub(super) struct Client {
    app: Router,
    document: Document,
    /// The header that it presents its session in.
    credentials: Option<(&'static str, String)>,
    is_from_another_site: bool,
    seen: BTreeSet<(String, String, u16)>,
}

impl Client {
    pub(super) fn of(app: Router) -> Self {
        Self {
            app,
            document: Document::ours(),
            credentials: None,
            is_from_another_site: false,
            seen: BTreeSet::new(),
        }
    }

    /// Talks to another app from now on. Returns the one before.
    pub(super) fn serve(&mut self, app: Router) -> Router {
        mem::replace(&mut self.app, app)
    }

    /// The answers that there were: path, method, status.
    pub(super) fn seen(&self) -> &BTreeSet<(String, String, u16)> {
        &self.seen
    }

    pub(super) fn nobody(&mut self) -> &mut Self {
        self.credentials = None;
        self
    }

    pub(super) fn cookie(&mut self, cookie: String) {
        self.credentials = Some((COOKIE.as_str(), cookie));
    }

    /// Presents this token from now on. Returns what was presented before.
    pub(super) fn bearer(&mut self, token: &str) -> String {
        let bearer = Some((AUTHORIZATION.as_str(), format!("Bearer {token}")));
        let before = mem::replace(&mut self.credentials, bearer);
        before.map(|(_, value)| value).unwrap_or_default()
    }

    /// Asks, and compares the answer with its description.
    pub(super) async fn ask(&mut self, method: &str, uri: &str, body: Value, status: u16) -> Value {
        let (content_type, body) = match body {
            Value::Null => (None, String::new()),
            body => (Some("application/json"), body.to_string()),
        };
        self.ask_with(method, uri, content_type, &body, status).await
    }

    /// The same with any body.
    pub(super) async fn ask_with(
        &mut self,
        method: &str,
        uri: &str,
        content_type: Option<&str>,
        body: &str,
        status: u16,
    ) -> Value {
        let path = self.document.path_of(uri);
        let response = send(&self.app, self.request(method, uri, content_type, body)).await;
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|value| value.to_str().unwrap().to_owned());
        let answered = response.status().as_u16();
        let answer = text(response).await;
        assert_eq!(answered, status, "{method} {uri}: {answer}");
        self.document.check((&path, method, status), content_type.as_deref(), &answer);
        self.seen.insert((path, method.to_owned(), status));
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// All that changes something, sent by a page of another site.
    pub(super) async fn all_from_another_site(&mut self) {
        self.is_from_another_site = true;
        for (path, method) in self.document.operations() {
            if method != "get" {
                self.ask(&method, &path, Value::Null, 403).await;
            }
        }
        self.is_from_another_site = false;
    }

    /// Only the status, of an operation that may not be described.
    pub(super) async fn status(&mut self, method: &str, uri: &str) -> u16 {
        send(&self.app, self.request(method, uri, None, "")).await.status().as_u16()
    }

    fn request(
        &self,
        method: &str,
        uri: &str,
        content_type: Option<&str>,
        body: &str,
    ) -> Request<Body> {
        let uri = uri.replace("{id}", "MDEyMzQ1Njc4OWFiY2RlZg").replace("{org}", "acme");
        let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(uri);
        if let Some((name, value)) = &self.credentials {
            request = request.header(*name, value);
        }
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if self.is_from_another_site {
            request = request.header("sec-fetch-site", "cross-site");
        }
        request.body(Body::from(body.to_owned())).unwrap()
    }
}
