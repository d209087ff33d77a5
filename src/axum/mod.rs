//! Integration with axum: extractors, response parts and JSON routes.
//!
//! [`Session`](crate::Session), `Option<Session>`, [`Presence`](crate::Presence),
//! [`Curfew`](crate::Curfew), [`ClientInfo`](crate::ClientInfo) and [`ReturnTo`](crate::ReturnTo)
//! are extractors behind [`Curfew::layer`](crate::Curfew::layer). [`SetCookie`](crate::SetCookie)
//! is a response part, and [`Error`](crate::Error) is a response.

mod account;
mod extract;
mod fresh;
mod json;
mod live;
mod orgs;
mod ready;
mod response;
#[cfg(feature = "ws")]
mod websocket;

pub use self::account::account_routes;
pub use self::fresh::fresh_within;
pub use self::orgs::{Authorize, org_routes};
pub use self::ready::readiness_route;
#[cfg(feature = "ws")]
pub use self::websocket::{LiveWebSocket, LiveWebSocketUpgrade};
