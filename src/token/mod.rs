//! The two halves of a session, and the token that carries them.
//!
//! The **id** is public: it names the record, survives rotation, and may appear in lists, URLs and
//! logs. The **secret** signs in: only the client's token contains it, and the record keeps only
//! its SHA-256. The token contains both halves and the time of issue under a MAC, whose key depends
//! on the purpose and on the name of the cookie. A stolen database cannot be used to sign in, since
//! it lacks the secrets, and neither can a stolen signing key. A malformed or forged token costs a
//! length check or one MAC, never a query.
//!
//! This is the only module of the crate that draws randomness.

mod bearer;
mod key_error;
mod key_file;
mod keyring;
mod secret;
mod signed;

pub(crate) use self::bearer::BEARER_PREFIX;
pub use self::bearer::IssuedToken;
pub use self::key_error::KeyringError;
pub use self::keyring::Keyring;
pub(crate) use self::secret::{Secret, nonce, random_id};
pub(crate) use self::signed::{Purpose, Signer, Token};
