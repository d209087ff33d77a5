//! The check of each request, on any tower stack over `http`.

mod body;
mod config;
mod context;
mod future;
mod gate;
mod layer;
#[expect(clippy::module_inception, reason = "the words of tower: layer, service, future")]
mod service;

pub use self::body::{FromBytes, MakeBody};
#[cfg(feature = "axum")]
pub(crate) use self::context::Context;
pub use self::future::ResponseFuture;
pub use self::layer::CurfewLayer;
pub use self::service::CurfewService;
