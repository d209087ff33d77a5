//! Stores of sessions: the contract, and its implementations.
//!
//! A store keeps facts. It never compares a time with a limit, so two stores cannot disagree about
//! which users are signed in.
//!
//! [`MemoryStore`] is for tests, and for single processes that may lose their sessions.
//! `SqliteStore` (feature `sqlite`) is the embedded, durable default. `PostgresStore` (feature
//! `postgres`) and `RedisStore` (feature `redis`) are for several machines. To write another store,
//! implement [`Store`] and run the tests of the `conformance` module (feature `conformance`) over
//! it. [`copy()`] moves all data of one store into another.

#[cfg(any(feature = "postgres", feature = "redis"))]
mod batch;
mod contract;
mod copy;
mod erased;
mod error;
mod memory;
#[cfg(feature = "near")]
mod near;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod open_error;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod scan;
#[cfg(feature = "sqlite")]
mod sqlite;
mod watch;

pub(crate) use self::contract::Place;
pub use self::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store};
pub use self::copy::{Copied, CopyError, Progress, copy};
pub(crate) use self::erased::{ErasedStore, StoreCall};
pub use self::error::StoreError;
pub use self::memory::MemoryStore;
#[cfg(feature = "near")]
#[cfg_attr(docsrs, doc(cfg(feature = "near")))]
pub use self::near::{Near, NearHealth, NearStore};
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
pub use self::open_error::OpenError;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use self::redis::{RedisOptions, RedisStore};
#[cfg(feature = "conformance")]
pub(crate) use self::scan::DOES_NOT_SCAN;
pub use self::scan::{ScanPlace, Scanned};
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
pub use self::watch::{Change, ChangeSender, Changes, Heartbeat};
pub use crate::encoding::Unreadable;
pub use crate::policy::{ChangedRules, Incarnation, OrgRules, PolicyVersion, RulesChanged};
pub use crate::session::{FixedDeadline, Key, Membership, Record, Revision, SecretHash, Stamp};
