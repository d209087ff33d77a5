//! Sessions: their ids, the facts in their records, and the proof that a session is alive.

mod client;
mod client_info;
mod display;
mod encoding;
mod ended;
mod id;
mod key;
mod labels;
mod new;
mod presence;
mod record;
mod revision;
mod schedule;
mod selector;
mod steps;
mod visible;

pub(crate) use self::client::MAX_LABEL;
pub use self::client::{ClientDetails, SessionKind};
pub use self::client_info::ClientInfo;
pub use self::ended::{EndReason, Ended};
pub use self::id::{InvalidSessionId, SecretHash, SessionId};
pub use self::key::Key;
pub use self::new::NewSession;
pub(crate) use self::new::{are_valid_methods, is_valid_name};
pub use self::presence::{ActiveSession, Presence, Session};
#[cfg(any(feature = "conformance", test))]
pub(crate) use self::record::Link;
pub use self::record::{Membership, Record, Stamp};
pub use self::revision::Revision;
pub use self::schedule::{Deadline, FixedDeadline, Schedule};
pub use self::selector::Selector;
pub(crate) use self::visible::{is_invisible, shows_nothing, turns_text};
