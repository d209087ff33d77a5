//! A browser with a jar of cookies, in front of an app in this process.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use tower::ServiceExt as _;

use crate::apps;

/// A clone keeps the cookies that the browser has now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A new browser that signs in.
    pub async fn signed_in(node: &Router) -> Self {
        let mut browser = Self::default();
        let (status, _) = browser.get(node, &format!("/sign-in/{}", apps::USER)).await;
        assert_eq!(status, StatusCode::OK, "the sign-in of an app without a password");
        assert!(!browser.cookies.is_empty(), "a sign-in sets a cookie");
        browser
    }

    pub async fn is_admitted(&mut self, node: &Router) -> bool {
        let (status, body) = self.get(node, "/").await;
        assert!(
            status != StatusCode::OK || body == apps::USER,
            "the answer names the user: {body}"
        );
        status == StatusCode::OK
    }

    pub async fn get(&mut self, node: &Router, path: &str) -> (StatusCode, String) {
        let mut request = Request::get(path).body(Body::empty()).expect("a request");
        *request.headers_mut() = apps::headers();
        if !self.cookies.is_empty() {
            let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            let cookies = Vec::from_iter(pairs).join("; ");
            let cookies = HeaderValue::from_str(&cookies).expect("they came in headers");
            request.headers_mut().insert(header::COOKIE, cookies);
        }
        let Ok(response) = node.clone().oneshot(request).await;
        self.keep_cookies(&response);
        let status = response.status();
        let body = to_bytes(response.into_body(), 65_536).await.expect("a body");
        (status, String::from_utf8(body.into()).expect("text"))
    }

    fn keep_cookies(&mut self, response: &Response) {
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let mut parts = cookie.to_str().expect("text").split(';');
            let pair = parts.next().and_then(|pair| pair.split_once('=')).expect("a pair");
            // Some libraries sign the empty value of a cookie that they delete.
            let is_deleted =
                parts.any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
            if is_deleted || pair.1.is_empty() {
                self.cookies.remove(pair.0);
            } else {
                self.cookies.insert(pair.0.to_owned(), pair.1.to_owned());
            }
        }
    }
}
