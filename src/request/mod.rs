//! The properties of a request: its kind, credentials, path, and the path to return to.

mod asked;
mod credentials;
mod kind;
mod origin;
mod plain_http;
mod return_to;

pub(crate) use self::asked::{Asked, original_uri};
pub(crate) use self::credentials::Credentials;
#[cfg(feature = "axum")]
pub(crate) use self::credentials::bears_our_token;
pub use self::kind::RequestKind;
pub(crate) use self::origin::is_origin;
pub(crate) use self::plain_http::drops_secure_cookies;
pub use self::return_to::ReturnTo;
pub(crate) use self::return_to::{is_plain, is_plain_to_all};
