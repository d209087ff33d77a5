//! The session cookie: its settings, and how it is set and deleted.

mod caching;
mod session_cookie;
mod set_cookie;
mod settings;

pub(crate) use self::caching::{is_publicly_cacheable, keep_from_caches};
pub(crate) use self::session_cookie::SessionCookie;
pub use self::set_cookie::SetCookie;
pub use self::settings::SameSite;
pub(crate) use self::settings::{CookieError, CookieSettings};
