//! The two halves of a session, and the token that carries them.
//!
//! The **id** is public: it names the record, survives rotation, and may stand in lists, URLs and
//! logs. The **secret** signs in: it is nowhere but in the client's token, and the record keeps
//! only its SHA-256. The token is both halves and the time of issue under a MAC, whose key depends
//! on the purpose and on the name of the cookie. So a stolen database signs nobody in, since it
//! lacks the secrets, and neither does a stolen signing key; and what does not verify costs a
//! length check or one MAC, never a query.
//!
//! Here, and nowhere else in the crate, randomness is drawn.

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
