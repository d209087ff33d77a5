//! A rejected request, and its response.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use serde::Serialize;

use super::problem::{problem_with, unavailable};
use crate::request::{Asked, RequestKind, is_plain};
use crate::session::Ended;

/// Makes the response to a rejected request. Closures implement it.
///
/// `Cache-Control: no-store` is added to the response, and the session cookie is cleared if that is
/// due.
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
    /// Makes the response. [`Rejection::response`] is the default one.
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

/// A rejected request, and the cause of its rejection.
#[derive(Clone, Debug)]
pub struct Rejection<'a> {
    cause: RejectionCause<'a>,
    request_kind: RequestKind,
    return_to: Option<&'a str>,
    login_at: &'a str,
    cookie_name: &'a str,
}

/// The cause of a rejection.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RejectionCause<'a> {
    /// The request has no known session.
    Anonymous,
    /// Its session has ended.
    Ended(&'a Ended),
    /// The session is unknown: the store did not answer in time, or its answer was invalid.
    Unavailable,
}

impl<'a> Rejection<'a> {
    pub(crate) fn new(
        cause: RejectionCause<'a>,
        request: &Asked<'a>,
        login_at: &'a str,
        cookie_name: &'a str,
    ) -> Self {
        // A body cannot be sent again, so a user who sent one starts over on the default page.
        let safe = matches!(*request.method, Method::GET | Method::HEAD);
        let path = request.uri.path_and_query().map(|path| path.as_str());
        let return_to = path.filter(|path| safe && is_plain(path));
        Self { cause, request_kind: request.kind, return_to, login_at, cookie_name }
    }

    /// Returns the cause of the rejection.
    pub fn cause(&self) -> RejectionCause<'a> {
        self.cause
    }

    /// Returns the kind of request, which decides the form of a useful response.
    pub fn request_kind(&self) -> RequestKind {
        self.request_kind
    }

    /// Returns the path of the login page that the app has set.
    pub fn login_at(&self) -> &'a str {
        self.login_at
    }

    /// Returns the URL of the login page with its query parameters.
    ///
    /// They are `return_to` (the requested path and query, if the user can return to it), `reason`
    /// and `organization`.
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

    /// Makes the default response: the login page for users, a status for API clients.
    ///
    /// | request | response |
    /// | --- | --- |
    /// | navigation | 303 to [`login_url`](Self::login_url) |
    /// | htmx | the same as any other request, with `HX-Redirect` |
    /// | any other | 401 with `WWW-Authenticate` and `application/problem+json` (RFC 9457) |
    /// | any, while the store does not answer | 503 with `Retry-After` |
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

/// The problem for an API client that has to sign in.
#[derive(Serialize)]
struct SignInRequired<'a> {
    reason: &'a str,
    login_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
}
