//! A request that is turned away, and the answer to it.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use serde::Serialize;

use super::problem::{problem_with, unavailable};
use crate::request::{Asked, RequestKind, is_plain};
use crate::session::Ended;

/// Makes the answer to a request that is turned away. Closures implement it.
///
/// Whatever it answers, `Cache-Control: no-store` is added, and the session cookie is cleared where
/// that is due.
///
/// ```
/// use bytes::Bytes;
/// use http::Response;
/// use tower_curfew::reject::{Rejection, RequestKind};
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
    request_kind: RequestKind,
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
        Self { cause, request_kind: request.kind, return_to, login_at, cookie_name }
    }

    /// Why the request is turned away.
    pub fn cause(&self) -> RejectionCause<'a> {
        self.cause
    }

    /// Who is asking, which decides what answer helps.
    pub fn request_kind(&self) -> RequestKind {
        self.request_kind
    }

    /// Where to sign in: the path that the app named.
    pub fn login_at(&self) -> &'a str {
        self.login_at
    }

    /// Where to sign in, with what that page wants to know: `return_to` (the path and query that
    /// was asked for, where coming back to it is possible), `reason` and `organization`.
    pub fn login_url(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let (RequestKind::Navigation, Some(path)) = (self.request_kind, self.return_to) {
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
        match (self.cause, self.request_kind) {
            (RejectionCause::Unavailable, kind) => unavailable(kind),
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
        let more = SignInRequired { reason, login_url: self.login_at, organization: org };
        let mut response = problem_with(StatusCode::UNAUTHORIZED, "sign in to continue", more);
        let (page, cookie) = (self.login_at, self.cookie_name);
        let challenge = match self.request_kind {
            RequestKind::Bearer => r#"Bearer error="invalid_token""#.to_owned(),
            _ => format!(r#"Cookie form-action="{page}", cookie-name="{cookie}""#),
        };
        let challenge = HeaderValue::try_from(challenge).expect("both are checked when built");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}

/// What a program is told that has to sign in.
#[derive(Serialize)]
struct SignInRequired<'a> {
    reason: &'a str,
    login_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
}
