//! The actor behind a call: a session, or the program itself.

use std::sync::Arc;

use super::error::Error;
use super::handle::Curfew;
use crate::session::Session;

/// The actor in whose name a call is made.
#[derive(Clone)]
pub(super) enum Actor {
    /// The user of this session, as long as it lives.
    Session(Session),
    /// The program itself, under this name.
    Operator(Arc<str>),
}

impl Actor {
    pub(super) fn by(session: &Session) -> Self {
        Self::Session(session.clone())
    }

    /// The actor's name in the audit log.
    pub(super) fn name(&self) -> Arc<str> {
        match self {
            Self::Session(session) => session.record().user().clone(),
            Self::Operator(name) => name.clone(),
        }
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match self {
            Self::Session(session) => Some(session),
            Self::Operator(_) => None,
        }
    }
}

impl Curfew {
    /// Refuses a call in the name of a session that has ended or was rotated since its request
    /// began. The rest of a slow request can arrive long after its head. (R39)
    pub(super) async fn refuse_if_ended(&self, actor: &Actor) -> Result<(), Error> {
        match actor {
            Actor::Session(session) if !self.is_still_alive(session).await? => {
                Err(Error::sign_in_required())
            }
            Actor::Session(_) | Actor::Operator(_) => Ok(()),
        }
    }
}
