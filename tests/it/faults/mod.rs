//! What people see while a store fails: 200 or 503, soon; and afterwards everything is as it was.
//!
//! In every one of these, people are at work before, during and after: 16 of them, or 64 with large counts.

#[cfg(feature = "sqlite")]
mod backup;
mod crowd;
#[cfg(feature = "redis")]
mod failovers;
#[cfg(all(feature = "near", any(feature = "postgres", feature = "redis")))]
mod near;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod remote;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) mod servers;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod wire;
