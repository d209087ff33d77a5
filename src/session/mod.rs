//! What a session is: its ids, the facts on its record, and the proof that it was found alive.

mod id;
mod new;
mod presence;
mod record;
mod selector;

pub use self::id::{InvalidSessionId, SecretHash, SessionId};
pub use self::new::NewSession;
pub(crate) use self::new::is_sound_name;
pub use self::presence::{ActiveSession, Presence, Session};
pub use self::record::{
    Client, End, EndReason, Ended, Ends, EndsBy, Kind, MAX_LABEL, Membership, Record, UnknownName,
};
pub use self::selector::Selector;
