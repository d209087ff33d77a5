//! The site as people meet it: calls over HTTP, each of which is written down.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, SET_COOKIE};
use reqwest::{Client, Method};
use serde::Serialize;
use serde_json::Value;
use tower_curfew_checker::{Call, Outcome, Reason};

use super::log::Calls;
use crate::node::{ChangePolicy, NODE_HEADER, Revoke, SignIn};

/// People wait no longer. The proxy gives up before.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where people go.
#[derive(Clone)]
pub(super) struct Front {
    client: Client,
    address: String,
    calls: Calls,
}

/// A browser that is signed in, or was.
#[derive(Clone)]
pub(super) struct Browser {
    pub(super) user: String,
    pub(super) session: String,
    cookie: String,
}

/// An answer, as far as it matters.
pub(super) struct Answer {
    status: u16,
    /// Which node gave it, if it was not the proxy.
    node: Option<String>,
    is_problem: bool,
    body: Value,
    cookie: Option<String>,
}

impl Front {
    pub(super) fn new(port: u16, calls: Calls) -> reqwest::Result<Self> {
        let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
        Ok(Self { client, address: format!("http://127.0.0.1:{port}"), calls })
    }

    /// How many minutes have passed. Users and organizations are others each minute, so that what is
    /// known of one does not grow without end.
    pub(super) fn minute(&self) -> i64 {
        self.calls.now() / 60_000_000
    }

    /// Signs in, in the place of the session that this browser had.
    pub(super) async fn sign_in(
        &self,
        user: &str,
        orgs: Vec<String>,
        before: Option<&Browser>,
    ) -> Option<Browser> {
        let call = Call::SignIn {
            user: user.to_owned(),
            orgs: orgs.clone(),
            at_most: None,
            replaces: before.map(|before| before.session.clone()),
        };
        let body = SignIn { user: user.to_owned(), orgs };
        let (outcome, cookie) = self.ask(call, before, Method::POST, "/sign-in", body).await;
        match (outcome, cookie) {
            (Outcome::Started { session }, Some(cookie)) => {
                Some(Browser { user: user.to_owned(), session, cookie })
            }
            _ => None,
        }
    }

    pub(super) async fn visit(&self, browser: &mut Browser) -> Outcome {
        let call = Call::Request { session: browser.session.clone() };
        let (outcome, cookie) = self.ask(call, Some(browser), Method::GET, "/", ()).await;
        if let Some(cookie) = cookie {
            browser.cookie = cookie;
        }
        outcome
    }

    pub(super) async fn list(&self, browser: &Browser) -> Outcome {
        let call = Call::List { user: browser.user.clone() };
        self.ask(call, Some(browser), Method::GET, "/account/sessions", ()).await.0
    }

    pub(super) async fn sign_out(&self, browser: &Browser) -> Outcome {
        let call = Call::SignOut { session: browser.session.clone() };
        self.ask(call, Some(browser), Method::POST, "/sign-out", ()).await.0
    }

    /// Ends another session of the same user.
    pub(super) async fn revoke(&self, browser: &Browser, session: &str) -> Outcome {
        let call = Call::RevokeSession { session: session.to_owned() };
        let path = format!("/account/sessions/{session}");
        self.ask(call, Some(browser), Method::DELETE, &path, ()).await.0
    }

    pub(super) async fn revoke_all(&self, browser: &Browser) -> Outcome {
        let call = Call::RevokeUser { user: browser.user.clone(), except: None };
        self.ask(call, Some(browser), Method::DELETE, "/account/sessions", ()).await.0
    }

    pub(super) async fn revoke_others(&self, browser: &Browser) -> Outcome {
        let except = Some(browser.session.clone());
        let call = Call::RevokeUser { user: browser.user.clone(), except };
        let path = "/account/sessions?except=current";
        self.ask(call, Some(browser), Method::DELETE, path, ()).await.0
    }

    pub(super) async fn revoke_org(&self, org: Option<String>) -> Outcome {
        let call = match &org {
            Some(org) => Call::RevokeOrg { org: org.clone() },
            None => Call::RevokeEveryone,
        };
        self.ask(call, None, Method::POST, "/admin/revoke", Revoke { org }).await.0
    }

    /// Sets a policy, or leaves none if it has no limits; in milliseconds.
    pub(super) async fn change_policy(&self, change: ChangePolicy) -> Outcome {
        let ChangePolicy { org, absolute, idle } = &change;
        let micros = |limit: &Option<i64>| limit.map(|millis| millis * 1000);
        let (org, absolute, idle) = (org.clone(), micros(absolute), micros(idle));
        let call = match (absolute, idle) {
            (None, None) => Call::ClearPolicy { org },
            (absolute, idle) => Call::SetPolicy { org, absolute, idle },
        };
        self.ask(call, None, Method::POST, "/admin/policy", change).await.0
    }

    async fn ask(
        &self,
        call: Call,
        by: Option<&Browser>,
        method: Method,
        path: &str,
        body: impl Serialize,
    ) -> (Outcome, Option<String>) {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.address));
        if let Some(browser) = by {
            request = request.header(COOKIE, &browser.cookie);
        }
        if method == Method::POST {
            request = request.json(&body);
        }
        // A request says by itself whose it is.
        let name = by.filter(|_| !matches!(call, Call::Request { .. }));
        let at = self.calls.begin(call.clone(), name.map(|browser| browser.session.clone()));
        let answer = read(request).await;
        let (outcome, node, cookie) = match answer {
            Ok(answer) => (outcome(&call, &answer), answer.node, answer.cookie),
            // It was cut, or it took too long.
            Err(_) => (Outcome::Unknown, None, None),
        };
        self.calls.end(at, node, outcome.clone());
        (outcome, cookie)
    }
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = response.bytes().await?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Ok(Answer {
        status,
        node: text(NODE_HEADER).map(str::to_owned),
        is_problem: text(CONTENT_TYPE.as_str()) == Some("application/problem+json"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        cookie: cookie(&headers),
    })
}

/// Name and value of the cookie that is set, unless it is cleared.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let set = headers.get(SET_COOKIE)?.to_str().ok()?;
    let cookie = set.split(';').next()?;
    (!cookie.ends_with('=')).then(|| cookie.to_owned())
}

/// What an answer means. One that no node gave tells nothing.
fn outcome(call: &Call, answer: &Answer) -> Outcome {
    let Answer { status, body, .. } = answer;
    if answer.node.is_none() {
        return Outcome::Unknown;
    }
    match (status, call) {
        (503, _) if answer.is_problem => Outcome::Unavailable,
        (200, Call::SignIn { .. }) => match body["session"].as_str() {
            Some(session) => Outcome::Started { session: session.to_owned() },
            None => Outcome::Unknown,
        },
        (200, Call::Request { .. }) => Outcome::Alive,
        (401, Call::Request { .. }) => match body["reason"].as_str() {
            Some("absolute") => Outcome::Ended { reason: Some(Reason::Absolute) },
            Some("idle") => Outcome::Ended { reason: Some(Reason::Idle) },
            Some("revoked") => Outcome::Ended { reason: Some(Reason::Revoked) },
            _ => Outcome::Nobody,
        },
        (200, Call::List { .. }) => {
            let entries = body["sessions"].as_array().into_iter().flatten();
            let ids = entries.filter_map(|entry| entry["id"].as_str());
            Outcome::Listed { sessions: ids.map(str::to_owned).collect() }
        }
        (200 | 204, _) => Outcome::Done,
        (400..500, _) if !matches!(call, Call::Request { .. }) => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        let node = Some("1".to_owned());
        Answer { status, node, is_problem: 400 <= status, body, cookie: None }
    }

    fn request() -> Call {
        Call::Request { session: "s".to_owned() }
    }

    #[test]
    fn the_reason_of_an_end_is_told() {
        let ended = answer(401, json!({"reason": "idle"}));
        assert_eq!(outcome(&request(), &ended), Outcome::Ended { reason: Some(Reason::Idle) });
        let nobody = answer(401, json!({"reason": "anonymous"}));
        assert_eq!(outcome(&request(), &nobody), Outcome::Nobody);
        let sign_out = Call::SignOut { session: "s".to_owned() };
        assert_eq!(outcome(&sign_out, &nobody), Outcome::Refused);
    }

    #[test]
    fn what_a_node_does_not_know_differs_from_what_the_proxy_says() {
        let unavailable = answer(503, Value::Null);
        assert_eq!(outcome(&request(), &unavailable), Outcome::Unavailable);
        let of_proxy = Answer { node: None, ..unavailable };
        assert_eq!(outcome(&request(), &of_proxy), Outcome::Unknown);
    }

    #[test]
    fn a_cookie_that_is_cleared_is_none() {
        let set = |value: &str| HeaderMap::from_iter([(SET_COOKIE, value.parse().unwrap())]);
        assert_eq!(cookie(&set("session=abc; Path=/")).as_deref(), Some("session=abc"));
        assert_eq!(cookie(&set("session=; Max-Age=0")), None);
    }
}
