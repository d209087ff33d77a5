//! What people see while a store fails: 200 or 503, soon; and afterwards everything is as it was.
//!
//! In every one of these, 64 people are at work before, during and after.

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
