//! How it looks when a request is turned away.

mod return_to;

use std::fmt;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri};

pub use self::return_to::ReturnTo;
pub(crate) use self::return_to::is_plain;
use crate::session::Ended;
use crate::token::bears_token;

/// Makes the answer to a request that is turned away. Closures implement it.
///
/// Whatever it answers, `Cache-Control: no-store` is added, and the session cookie is cleared where
/// that is due.
///
/// ```
/// use bytes::Bytes;
/// use http::Response;
/// use tower_curfew::{Rejection, RequestKind};
///
/// let reject = |rejection: &Rejection<'_>| match rejection.request_kind() {
///     RequestKind::Background => Response::new(Bytes::from_static(b"please sign in")),
///     _ => rejection.response(),
/// };
/// ```
pub trait Reject: Send + Sync + 'static {
    /// The answer. [`Rejection::response`] is the usual one.
    fn reject(&self, rejection: &Rejection<'_>) -> Response<Bytes>;
}

impl<F> Reject for F
where
    F: Fn(&Rejection<'_>) -> Response<Bytes> + Send + Sync + 'static,
{
    fn reject(&self, rejection: &Rejection<'_>) -> Response<Bytes> {
        self(rejection)
    }
}

/// A request that is turned away, and why.
#[derive(Clone, Debug)]
pub struct Rejection<'a> {
    cause: RejectionCause<'a>,
    caller: RequestKind,
    return_to: Option<&'a str>,
    login_at: &'a str,
    cookie_name: &'a str,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RejectionCause<'a> {
    /// It comes without a session that we know of.
    Anonymous,
    /// Its session has ended.
    Ended(&'a Ended),
    /// Nobody knows: the store did not answer in time, or answered nonsense.
    Unavailable,
}

/// Who is asking, which decides what answer helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestKind {
    /// A person who opened a page or sent a form. A redirect shows them another page.
    Navigation,
    /// htmx, which follows its own header.
    Htmx,
    /// A program that presents a bearer token. It wants a status, never a page.
    Bearer,
    /// A script, or another program. It wants a status, never a page.
    Background,
}

impl RequestKind {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if bears_token(headers) {
            return Self::Bearer;
        }
        if headers.get("hx-request").is_some_and(|given| given == "true") {
            return Self::Htmx;
        }
        let navigates = match headers.get("sec-fetch-mode") {
            Some(mode) => mode == "navigate",
            None => accepts_html(headers) && !headers.contains_key("x-requested-with"),
        };
        if navigates && !headers.contains_key(header::UPGRADE) {
            Self::Navigation
        } else {
            Self::Background
        }
    }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.as_bytes().windows(9).any(|w| w.eq_ignore_ascii_case(b"text/html")))
}

impl<'a> Rejection<'a> {
    pub(crate) fn new(
        cause: RejectionCause<'a>,
        request: &Asked<'a>,
        login_at: &'a str,
        cookie_name: &'a str,
    ) -> Self {
        // A body cannot be sent again, so whoever sent one starts over on the default page.
        let safe = matches!(*request.method, Method::GET | Method::HEAD);
        let path = request.uri.path_and_query().map(|path| path.as_str());
        let return_to = path.filter(|path| safe && is_plain(path));
        Self { cause, caller: request.caller, return_to, login_at, cookie_name }
    }

    /// Why.
    pub fn cause(&self) -> RejectionCause<'a> {
        self.cause
    }

    /// Who is asking.
    pub fn request_kind(&self) -> RequestKind {
        self.caller
    }

    /// Where to sign in: the path that the app named.
    pub fn login_at(&self) -> &'a str {
        self.login_at
    }

    /// Where to sign in, with what that page wants to know: `return_to` (the path and query that
    /// was asked for, where coming back to it is possible), `reason` and `organization`.
    pub fn login_url(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let (RequestKind::Navigation, Some(path)) = (self.caller, self.return_to) {
            query.append_pair("return_to", path);
        }
        if let RejectionCause::Ended(ended) = self.cause {
            query.append_pair("reason", ended.reason.as_str());
            if let Some(org) = &ended.org {
                query.append_pair("organization", org);
            }
        }
        let query = query.finish();
        match (query.as_str(), self.login_at.contains('?')) {
            ("", _) => self.login_at.to_owned(),
            (query, true) => format!("{}&{query}", self.login_at),
            (query, false) => format!("{}?{query}", self.login_at),
        }
    }

    /// The usual answer: a page to sign in on for people, a status for programs.
    ///
    /// | who | answer |
    /// | --- | --- |
    /// | navigation | 303 to [`login_url`](Self::login_url) |
    /// | htmx | the same as anybody else, with `HX-Redirect` |
    /// | anybody else | 401 with `WWW-Authenticate` and `application/problem+json` (RFC 9457) |
    /// | anybody, while the store does not answer | 503 with `Retry-After` |
    pub fn response(&self) -> Response<Bytes> {
        match (self.cause, self.caller) {
            (RejectionCause::Unavailable, caller) => unavailable(caller),
            (_, RequestKind::Navigation) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::SEE_OTHER;
                response.headers_mut().insert(header::LOCATION, self.login_header());
                response
            }
            (_, RequestKind::Htmx) => {
                let mut response = self.unauthorized();
                response.headers_mut().insert("hx-redirect", self.login_header());
                response
            }
            (_, RequestKind::Bearer | RequestKind::Background) => self.unauthorized(),
        }
    }

    fn login_header(&self) -> HeaderValue {
        HeaderValue::try_from(self.login_url()).expect("login paths are checked, queries encoded")
    }

    fn unauthorized(&self) -> Response<Bytes> {
        let (reason, org) = match self.cause {
            RejectionCause::Ended(ended) => (ended.reason.as_str(), ended.org.as_deref()),
            RejectionCause::Anonymous | RejectionCause::Unavailable => ("anonymous", None),
        };
        let mut more = format!(r#","reason":"{reason}","login_url":{}"#, Json(self.login_at));
        if let Some(org) = org {
            more.push_str(&format!(r#","organization":{}"#, Json(org)));
        }
        let mut response = problem_with(StatusCode::UNAUTHORIZED, "sign in to continue", &more);
        let (page, cookie) = (self.login_at, self.cookie_name);
        let challenge = match self.caller {
            RequestKind::Bearer => r#"Bearer error="invalid_token""#.to_owned(),
            _ => format!(r#"Cookie form-action="{page}", cookie-name="{cookie}""#),
        };
        let challenge = HeaderValue::try_from(challenge).expect("both are checked when built");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}

/// 503: nobody is let in, nobody is signed out, and a later try may find the store again.
pub(crate) fn unavailable(caller: RequestKind) -> Response<Bytes> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let title = "sessions cannot be checked just now; try again in a moment";
    let mut response = if caller == RequestKind::Navigation {
        answer(status, "text/plain; charset=utf-8", Bytes::from_static(title.as_bytes()))
    } else {
        problem(status, title)
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// What went wrong, as RFC 9457 writes it.
pub(crate) fn problem(status: StatusCode, title: &str) -> Response<Bytes> {
    problem_with(status, title, "")
}

pub(crate) fn problem_with(status: StatusCode, title: &str, more: &str) -> Response<Bytes> {
    let body = format!(r#"{{"title":{},"status":{}{more}}}"#, Json(title), status.as_u16());
    answer(status, "application/problem+json", body.into())
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// A string as JSON writes it.
struct Json<'a>(&'a str);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                char if char.is_control() => write!(f, "\\u{:04x}", u32::from(char))?,
                char => write!(f, "{char}")?,
            }
        }
        f.write_str("\"")
    }
}

/// What decides how a rejection of this request looks.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) caller: RequestKind,
}

impl<'a> Asked<'a> {
    pub(crate) fn by<B>(request: &'a Request<B>) -> Self {
        Self::new(request.method(), request.uri(), request.headers(), request.extensions())
    }

    #[cfg(feature = "axum")]
    pub(crate) fn by_parts(request: &'a http::request::Parts) -> Self {
        Self::new(&request.method, &request.uri, &request.headers, &request.extensions)
    }

    fn new(
        method: &'a Method,
        uri: &'a Uri,
        headers: &HeaderMap,
        extensions: &'a Extensions,
    ) -> Self {
        Self { method, uri: original_uri(uri, extensions), caller: RequestKind::of(headers) }
    }
}

/// The URI that the client asked for. In a router that is nested under a prefix, the request itself
/// shows only the rest of it.
pub(crate) fn original_uri<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(original)) = extensions.get() {
        return original;
    }
    #[cfg(not(feature = "axum"))]
    let _ = extensions;
    uri
}
