//! A browser: it keeps the session cookie as browsers do, and opens pages. A program sends a token
//! instead.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_curfew::SessionId;

/// A browser with at most one cookie for the site.
#[derive(Clone, Debug)]
pub struct Browser {
    pub router: Router,
    /// `name=value`, as the next request carries it.
    pub cookie: Option<String>,
    /// What a program sends as `Authorization`: it is no browser, and has no cookie.
    pub bearer: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Browser {
    pub fn new(router: Router) -> Self {
        Self { router, cookie: None, bearer: None }
    }

    /// The same browser, talking to another node or after a deploy.
    pub fn at(&self, router: &Router) -> Self {
        Self { router: router.clone(), ..self.clone() }
    }

    pub async fn sign_in(&mut self, user: &str, orgs: &[&str]) {
        let orgs: String = orgs.iter().map(|org| format!("&org={org}")).collect();
        let answer = self.post(&format!("/login?user={user}{orgs}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        assert!(self.cookie.is_some(), "{answer:?}");
    }

    /// The id of the session whose cookie or token it has.
    pub fn session(&self) -> SessionId {
        let token = match &self.bearer {
            Some(bearer) => bearer.strip_prefix("Bearer curfew_").unwrap(),
            None => self.cookie.as_deref().unwrap().split_once('=').unwrap().1,
        };
        let token = URL_SAFE_NO_PAD.decode(token).unwrap();
        SessionId::from_bytes(token[2..18].try_into().unwrap())
    }

    /// Opens a page, as a person does.
    pub async fn open(&mut self, path: &str) -> Answer {
        self.send(navigation("GET", path)).await
    }

    /// Sends a form, as a person does.
    pub async fn post(&mut self, path: &str) -> Answer {
        self.send(navigation("POST", path)).await
    }

    /// Fetches something, as a script does.
    pub async fn fetch(&mut self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request =
            request.header("sec-fetch-mode", "cors").header(header::ACCEPT, "application/json");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a request with the cookie, and keeps the one that comes back. To a program no cookie
    /// ever comes.
    pub async fn send(&mut self, mut request: Request<Body>) -> Answer {
        self.identify(&mut request);
        let answer = send(&self.router, request).await;
        if self.bearer.is_some() {
            assert_eq!(answer.set_cookies(), [""; 0], "{answer:?}");
        }
        for set in answer.set_cookies() {
            let (pair, attributes) = set.split_once(';').unwrap();
            let cleared = attributes.contains("Max-Age=0");
            self.cookie = (!cleared).then(|| pair.to_owned());
        }
        answer
    }

    /// Puts the cookie or the token on a request.
    pub fn identify(&self, request: &mut Request<Body>) {
        let headers = request.headers_mut();
        if let Some(cookie) = &self.cookie {
            headers.append(header::COOKIE, cookie.parse().unwrap());
        }
        if let Some(bearer) = &self.bearer {
            headers.append(header::AUTHORIZATION, bearer.parse().unwrap());
        }
    }

    /// Whether the home page shows somebody signed in.
    pub async fn is_signed_in(&mut self) -> bool {
        self.open("/").await.status == StatusCode::OK
    }

    /// Opens the home page, and says for what reason the login page is to explain, and which
    /// organization, one was sent there: `idle`, `absolute acme`, or nothing.
    pub async fn turned_away_because(&mut self) -> String {
        self.open("/").await.turned_away_because()
    }
}

/// Sends a request just as it is.
pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// A request as a browser makes it when a person opens a page or sends a form.
pub fn navigation(method: &str, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("sec-fetch-mode", "navigate")
        .header(header::ACCEPT, "text/html,application/xhtml+xml")
        .body(Body::empty())
        .unwrap()
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        let values = self.headers.get_all(header::SET_COOKIE);
        values.iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// A parameter of the page that this redirects to.
    pub fn login_parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.header("location").split_once('?')?;
        form_urlencoded::parse(query.as_bytes())
            .find(|(parameter, _)| parameter == name)
            .map(|(_, value)| value.into_owned())
    }

    pub fn turned_away_because(&self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        assert!(self.header("location").starts_with("/login"), "{self:?}");
        let words = ["reason", "organization"].map(|name| self.login_parameter(name));
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// For what reason, and by which organization, a script or a program is told to sign in.
    pub fn unauthorized_because(&self) -> String {
        assert_eq!(self.status, StatusCode::UNAUTHORIZED, "{self:?}");
        let problem = self.json();
        let words = ["reason", "organization"].map(|name| problem[name].as_str());
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}
