//! Who does what is done: somebody with a session, or the program itself.

use std::sync::Arc;

use super::error::Error;
use super::handle::Curfew;
use crate::session::Session;

/// In whose name something is done.
#[derive(Clone)]
pub(super) enum Actor {
    /// Whoever has this session, as long as it lives.
    Session(Session),
    /// The program itself, under this name.
    Operator(Arc<str>),
}

impl Actor {
    pub(super) fn by(session: &Session) -> Self {
        Self::Session(session.clone())
    }

    /// Who stands in the audit log.
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
    /// Refuses what is done in the name of a session that has ended since its request began, or whose
    /// secret was renewed: the rest of a request can be on its way for long. (R39)
    pub(super) async fn refuse_if_ended(&self, actor: &Actor) -> Result<(), Error> {
        match actor {
            Actor::Session(session) if !self.is_still_alive(session).await? => {
                Err(Error::sign_in_required())
            }
            Actor::Session(_) | Actor::Operator(_) => Ok(()),
        }
    }
}
