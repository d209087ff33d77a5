//! Reports events and their actors to the log and the app.

use std::sync::Arc;

use super::actor::Actor;
use super::handle::Curfew;
use crate::event::{Event, EventKind};
use crate::session::{Ended, Record, SessionId};

impl Curfew {
    /// Reports what a user did with the session of the request.
    pub(super) fn tell_of_own(
        &self,
        record: &Record,
        kind: impl FnOnce(Arc<str>, SessionId) -> EventKind,
    ) {
        let user = record.user();
        self.tell(Some(user.clone()), kind(user.clone(), record.id()));
    }

    /// Reports a sign-in, or a token that was issued.
    pub(super) fn tell_of_start(
        &self,
        record: &Record,
        issuer: Option<&Actor>,
        replaced: Vec<SessionId>,
    ) {
        let (user, session, kind) = (record.user().clone(), record.id(), record.kind());
        let actor = issuer.map_or_else(|| user.clone(), Actor::name);
        let client = record.client();
        self.tell(Some(actor), EventKind::Started { user, session, kind, client, replaced });
    }

    /// Reports a session that was ended to make room for one that then failed to begin.
    pub(super) fn tell_of_displaced(&self, record: &Record, session: SessionId) {
        let (user, ended) = (record.user().clone(), Ended::revoked(record.created()));
        self.tell(Some(user.clone()), EventKind::Ended { user, session, ended });
    }

    /// Reports an event to the log and the app.
    pub(super) fn tell(&self, actor: Option<Arc<str>>, kind: EventKind) {
        let event = Event { at: self.now(), actor, kind };
        event.trace();
        if let Some(on_event) = &self.inner.on_event {
            on_event(&event);
        }
    }
}
