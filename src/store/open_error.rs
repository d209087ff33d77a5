//! The error of opening a store.

use std::borrow::Cow;
use std::error::Error as StdError;

/// The reason why a store cannot be opened, and how to fix it.
///
/// The error of its file, server or driver is the [`source`](StdError::source). Neither shows a
/// password.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {advice}")]
pub struct OpenError {
    what: Cow<'static, str>,
    advice: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl OpenError {
    pub(super) fn new(
        what: impl Into<Cow<'static, str>>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { what: what.into(), advice: advice.into(), source: None }
    }

    pub(super) fn caused_by(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}
