//! A tower layer that ends sessions on time, for axum, hyper and other services over [`http`].
//!
//! The layer reads the signed session cookie of each request. It checks an *absolute* and an *idle*
//! limit against a store, and refreshes the cookie at most hourly. A user whose session has ended
//! is sent to sign in again.
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```text")]
//! use axum::Router;
//! use axum::routing::get;
//! use time::Duration;
//! use tower_curfew::store::MemoryStore;
//! use tower_curfew::{Curfew, Keyring, Limits, Session};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keyring = Keyring::from_bytes([7; 32])?;
//! let curfew = Curfew::builder(MemoryStore::new(), keyring)
//!     .limits(Limits::idle(Duration::days(28))) // the default
//!     .login_at("/login")
//!     .build()?;
//!
//! let app: Router = Router::new()
//!     .route("/", get(async |session: Session| format!("hello {}", session.user())))
//!     .layer(curfew.layer()); // the one line
//! # Ok(())
//! # }
//! ```
//!
//! **The layer reads, the handle writes.** The [layer](service::CurfewLayer) loads and judges
//! sessions, and records activity now and then. Signing in and out, listing and revoking are calls
//! on the [`Curfew`] handle. Calls that change the cookie return a [`SetCookie`] for the response.
//!
//! **Facts in the store, conclusions in the core.** A [store](store::Store) keeps the facts about
//! each session. One pure function turns these facts, the rules and the time into a verdict with a
//! reason, so every store gives the same answer. Each node holds a copy of all rules, so a request
//! costs one call to the store.
//!
//! **An end is final.** The end of a session and its reason are written once and never taken back.
//!
//! The crate is not a login framework. It does not handle passwords, users or rights, and it does
//! not keep data of the app.
//!
//! To begin: [a tutorial](docs::tutorial), [troubleshooting](docs::troubleshooting), [questions](docs::faq),
//! [migration](docs::migration) from other session libraries.
//! Pages: [the rules](docs::rules), [organizations and everyone](docs::organizations),
//! [tokens](docs::tokens), [live connections](docs::live), [stores and upgrades](docs::stores),
//! [operations](docs::operations), [scale](docs::scale), [performance](docs::performance),
//! [privacy and the audit log](docs::privacy),
//! [security](docs::security), [properties](docs::properties), [recipes](docs::recipes), [testing](docs::testing).
//! Internals: [architecture](docs::architecture), [traps](docs::traps).
//!
//! # Features
//!
//! - `axum` (default): extractors, response parts and JSON routes for axum 0.8.
//! - `sqlite`: the embedded, durable store.
//! - `postgres`: a store on PostgreSQL, for apps on several machines; `postgres-tls` encrypts its
//!   connections.
//! - `deadpool`: the same store over the app's own pool of deadpool-postgres.
//! - `redis`: a store on Redis or Valkey, for apps on several machines; `redis-tls` encrypts its
//!   connections.
//! - `serde`: `Serialize` for the values in JSON answers; `axum` switches it on.
//! - `ws`: WebSockets that end with the session, for axum.
//! - `near`: a bounded cache in front of a store on another machine.
//! - `metrics`: counts requests and store calls with the app's recorder.
//! - `conformance`: the store contract as tests, for a store of your own.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod axum;
pub mod client;
pub mod clock;
#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;
mod cookie;
mod curfew;
mod encoding;
pub mod event;
mod judge;
mod limits;
mod meter;
mod policy;
pub mod reject;
mod request;
#[cfg(feature = "serde")]
mod serialize;
pub mod service;
mod session;
pub mod store;
mod token;

/// The crate `time` in the version that this crate uses for durations.
pub use time;

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::axum::{Authorize, account_routes, fresh_within, org_routes, readiness_route};
#[cfg(feature = "ws")]
#[cfg_attr(docsrs, doc(cfg(feature = "ws")))]
pub use self::axum::{LiveWebSocket, LiveWebSocketUpgrade};
pub use self::cookie::{SameSite, SetCookie};
pub use self::curfew::{
    AtCap, Builder, ConfigError, Counted, Curfew, Effect, Error, ErrorKind, FailedCall, Health,
    Operator, Preview, Revoked, RulesChange, UntilEnded,
};
pub use self::limits::{InvalidLimit, Limit, Limits};
pub use self::policy::OrgPolicy;
pub use self::request::ReturnTo;
pub use self::session::{
    ActiveSession, ClientDetails, ClientInfo, Deadline, EndReason, Ended, InvalidSessionId,
    NewSession, Presence, Schedule, Selector, Session, SessionId, SessionKind,
};
pub use self::token::{IssuedToken, Keyring, KeyringError};

/// Pages of the guide, from recipes to security.
// The member in `tests/docs` tests the programs of the pages.
#[cfg(not(doctest))]
pub mod docs {
    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/architecture.md")]
    pub mod architecture {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/faq.md")]
    pub mod faq {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/live.md")]
    pub mod live {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/migration.md")]
    pub mod migration {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/operations.md")]
    pub mod operations {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/organizations.md")]
    pub mod organizations {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/performance.md")]
    #[doc = include_str!("docs/measured.md")]
    pub mod performance {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/privacy.md")]
    pub mod privacy {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/properties.md")]
    pub mod properties {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/recipes.md")]
    pub mod recipes {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/rules.md")]
    pub mod rules {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/scale.md")]
    pub mod scale {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/security.md")]
    pub mod security {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/stores.md")]
    pub mod stores {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/testing.md")]
    pub mod testing {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/tokens.md")]
    pub mod tokens {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/traps.md")]
    pub mod traps {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/troubleshooting.md")]
    pub mod troubleshooting {}

    #[doc = include_str!("docs/links.md")]
    #[doc = include_str!("docs/tutorial.md")]
    pub mod tutorial {}
}

#[cfg(all(doctest, feature = "axum", feature = "sqlite"))]
#[doc = include_str!("../README.md")]
mod readme {}
