//! The handle: everything that a program does to sessions, besides the layer.

mod budget;
mod build;
mod builder;
mod check;
mod copy;
mod detached;
mod dropped;
mod end;
mod error;
mod events;
mod handle;
mod list;
mod orgs;
mod policies;
mod preview;
mod purge;
mod renew;
mod rules;
mod start;
mod verdict;

pub use self::builder::Builder;
pub(crate) use self::check::{Activity, Checked};
pub use self::error::{ConfigError, Error, ErrorKind};
pub use self::handle::{AtCap, Curfew};
pub use self::policies::RulesChange;
pub use self::preview::{Effect, Preview};
