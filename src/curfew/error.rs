//! Errors of calls on the handle, and of its configuration.

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Response, StatusCode};

use crate::cookie::CookieError;
use crate::encoding::Unreadable;
use crate::policy::HistoryFull;
use crate::reject::{problem, unavailable};
use crate::request::RequestKind;
use crate::store::StoreError;

/// The error of a call on [`Curfew`](crate::Curfew). It names no user, no session and no address.
///
/// With axum it is a response by itself; elsewhere, use [`Error::response`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kind of an [`Error`], for apps that handle kinds differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store did not answer in time, or its answer was invalid. The result is unknown; try
    /// again later.
    Unavailable,
    /// The session has ended, or was rotated since this request began.
    SignInRequired,
    /// The user has reached the cap on active sessions. One must end first.
    TooManySessions,
    /// The session belongs to a token, whose secret cannot be renewed. Issue another token, and
    /// revoke this one: no response could deliver a new secret.
    NotForTokens,
    /// The name of a user, an organization or a session is invalid.
    InvalidName,
    /// The links of a session are invalid or too many.
    InvalidLink,
    /// An authentication method is invalid, or there are too many.
    InvalidMethod,
    /// A limit of a policy is out of bounds.
    InvalidPolicy,
    /// The policy of an organization, or for everyone, has changed too often for its history.
    TooManyPolicies,
}

impl Error {
    /// Returns the kind of this error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Builds a response from this error, with an `application/problem+json` body.
    ///
    /// The status is 503 with `Retry-After` if the store does not answer, and 401 if the user must
    /// sign in again. It is 409 for too many sessions or policies and for tokens, and 422 for an
    /// invalid name or link and for a limit out of bounds.
    pub fn response(&self) -> Response<Bytes> {
        let mut response = match self.kind {
            ErrorKind::Unavailable => unavailable(RequestKind::Background),
            ErrorKind::SignInRequired => problem(StatusCode::UNAUTHORIZED, &self.message),
            ErrorKind::TooManySessions | ErrorKind::TooManyPolicies | ErrorKind::NotForTokens => {
                problem(StatusCode::CONFLICT, &self.message)
            }
            ErrorKind::InvalidName
            | ErrorKind::InvalidLink
            | ErrorKind::InvalidMethod
            | ErrorKind::InvalidPolicy => problem(StatusCode::UNPROCESSABLE_ENTITY, &self.message),
        };
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
        response
    }

    /// The error and its causes, in one line for a log.
    pub(crate) fn with_causes(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line
    }

    pub(super) fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let error = Self::new(
            ErrorKind::Unavailable,
            "sessions cannot be checked just now; try again later",
        );
        Self { source: Some(source.into()), ..error }
    }

    pub(crate) fn sign_in_required() -> Self {
        Self::new(ErrorKind::SignInRequired, "the session has ended or was renewed; sign in again")
    }

    pub(super) fn not_for_tokens() -> Self {
        Self::new(
            ErrorKind::NotForTokens,
            "the secret of a token cannot be renewed; issue another token and revoke this one",
        )
    }

    pub(super) fn too_many_sessions() -> Self {
        Self::new(ErrorKind::TooManySessions, "too many active sessions; end one of them first")
    }

    pub(super) fn invalid_name() -> Self {
        Self::new(
            ErrorKind::InvalidName,
            "the name of a user, an organization or a session must have 1 to 512 bytes and no NUL, and \
             something of a session's name must be visible",
        )
    }

    pub(super) fn invalid_link() -> Self {
        Self::new(
            ErrorKind::InvalidLink,
            "a session has at most 4 links; the kind of a link must be 1 to 32 lower-case letters, \
             digits, hyphens or underscores, and its value have 1 to 512 bytes and no NUL",
        )
    }

    pub(super) fn invalid_method() -> Self {
        Self::new(
            ErrorKind::InvalidMethod,
            "a session has at most 16 methods of authentication, each 1 to 32 visible characters of \
             ASCII such as `pwd` or `otp`",
        )
    }

    pub(super) fn invalid_policy(message: String) -> Self {
        Self::new(ErrorKind::InvalidPolicy, message)
    }

    fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }
}

impl From<HistoryFull> for Error {
    fn from(full: HistoryFull) -> Self {
        Self::new(ErrorKind::TooManyPolicies, full.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error)
    }
}

impl From<Unreadable> for Error {
    fn from(unreadable: Unreadable) -> Self {
        Self::unavailable(unreadable)
    }
}

/// The store did not answer within the timeout.
#[derive(Debug, thiserror::Error)]
#[error("the session store did not answer in time")]
pub(super) struct TimedOut;

/// The clocks of this machine and of the store differ by more than a minute.
#[derive(Debug, thiserror::Error)]
#[error("the clocks of this machine and of the session store differ by more than a minute")]
pub(super) struct ClocksDiffer;

/// Concurrent changes are so frequent that no try succeeded.
#[derive(Debug, thiserror::Error)]
#[error("others changed the same session or organization too often meanwhile")]
pub(super) struct Contended;

/// Another caller failed to fetch the rules on behalf of all waiting callers.
#[derive(Debug, thiserror::Error)]
#[error("the rules of organizations could not be read from the session store")]
pub(super) struct RulesNotRenewed;

/// Some of the sessions cannot be read by this version.
#[derive(Debug, thiserror::Error)]
#[error(
    "the session store holds sessions that this version cannot read; upgrade it, or restore them"
)]
pub(super) struct UnreadableRecords;

/// An invalid configuration, with the value that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(super) fn new(message: String) -> Self {
        Self(message)
    }
}

impl From<CookieError> for ConfigError {
    fn from(error: CookieError) -> Self {
        Self(error.to_string())
    }
}
