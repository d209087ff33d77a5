//! The handle: every operation on sessions, except the layer's check.

mod actor;
mod advice;
mod background;
mod budget;
mod build;
mod builder;
mod check;
mod copy;
mod detached;
mod end;
mod ended;
mod error;
mod events;
mod failures;
mod handle;
mod health;
mod issue;
mod list;
mod once;
mod operator;
mod orgs;
mod parallel;
mod policies;
mod preview;
mod purge;
mod renew;
mod revoke_all;
mod rules;
mod start;
mod touch;
mod verdict;
mod waiting;
mod watching;

pub use self::builder::Builder;
pub(crate) use self::check::{Activity, Checked};
pub use self::end::Revoked;
pub use self::error::{ConfigError, Error, ErrorKind};
pub use self::failures::FailedCall;
pub use self::handle::{AtCap, Curfew};
pub use self::health::Health;
pub use self::operator::Operator;
pub use self::policies::RulesChange;
#[cfg(feature = "axum")]
pub(crate) use self::preview::Tally;
pub use self::preview::{Counted, Effect, Preview};
pub use self::waiting::UntilEnded;
