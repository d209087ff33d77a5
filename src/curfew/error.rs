//! What can go wrong.

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

/// Why a call on [`Curfew`](crate::Curfew) failed. It names no user, no session and no address.
///
/// With axum it is a response by itself; elsewhere there is [`Error::response`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of [`Error`] it is, for those who handle them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store did not answer in time, or answered nonsense. Nothing is known; try again later.
    Unavailable,
    /// The session has ended, or its secret was renewed since this request began.
    SignInRequired,
    /// The user has as many active sessions as one may have. One must end first.
    TooManySessions,
    /// The session is that of a token, whose secret cannot be renewed: no answer could bring the new
    /// one. Issue another token, and revoke this one.
    NotForTokens,
    /// The name of a user, an organization or a session cannot be kept.
    InvalidName,
    /// The links of a session cannot be kept.
    InvalidLink,
    /// A method of authentication cannot be kept.
    InvalidMethod,
    /// A limit of a policy is out of bounds.
    InvalidPolicy,
    /// The policy of an organization, or for everyone, was changed more often than its history can
    /// hold.
    TooManyPolicies,
}

impl Error {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// An answer to a request that it stands in the way of, with an `application/problem+json` body:
    /// 503 with `Retry-After` if the store does not answer, 401 for who must sign in again, 409 for
    /// too many sessions or policies and for tokens, 422 for a name or a link that cannot be kept and
    /// a limit out of bounds.
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

    /// The error and what caused it, in one line for a log.
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

/// Others change the same thing faster than one can look at it.
#[derive(Debug, thiserror::Error)]
#[error("others changed the same session or organization too often meanwhile")]
pub(super) struct Contended;

/// Somebody else has asked the store for the rules on behalf of all who waited, without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the rules of organizations could not be read from the session store")]
pub(super) struct RulesNotRenewed;

/// Some of the sessions in question cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the session store holds sessions that this version cannot read; upgrade it, or restore them"
)]
pub(super) struct UnreadableRecords;

/// A configuration that cannot work, with the value that is wrong.
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
