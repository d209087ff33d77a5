//! The responses to rejected requests.

mod problem;
mod rejection;

#[cfg(feature = "axum")]
pub(crate) use self::problem::problem_with;
pub(crate) use self::problem::{problem, unavailable};
pub use self::rejection::{Reject, Rejection, RejectionCause};
pub use crate::request::RequestKind;
