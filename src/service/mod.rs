//! The check of each request, on any tower stack over `http`.

mod context;
mod future;
mod layer;
#[expect(clippy::module_inception, reason = "the words of tower: layer, service, future")]
mod service;

#[cfg(feature = "axum")]
pub(crate) use self::context::Context;
pub use self::future::ResponseFuture;
pub use self::layer::{CurfewLayer, FromBytes, MakeBody};
pub use self::service::CurfewService;
