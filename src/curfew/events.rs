//! Telling what happened, and who did it, to the log and the app.

use std::sync::Arc;

use super::actor::Actor;
use super::handle::Curfew;
use crate::event::{Event, EventKind};
use crate::session::{Ended, Record, SessionId};

impl Curfew {
    /// Tells what people do with their own sessions.
    pub(super) fn tell_of_own(
        &self,
        record: &Record,
        kind: impl FnOnce(Arc<str>, SessionId) -> EventKind,
    ) {
        let user = record.user();
        self.tell(Some(user.clone()), kind(user.clone(), record.id()));
    }

    /// Tells of a sign-in by whoever it is, or of a token that somebody has issued.
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

    /// Tells of a session that had to make room for one that then could not begin.
    pub(super) fn tell_of_displaced(&self, record: &Record, session: SessionId) {
        let (user, ended) = (record.user().clone(), Ended::revoked(record.created()));
        self.tell(Some(user.clone()), EventKind::Ended { user, session, ended });
    }

    /// Tells the log and the app what happened.
    pub(super) fn tell(&self, actor: Option<Arc<str>>, kind: EventKind) {
        let event = Event { at: self.now(), actor, kind };
        event.trace();
        if let Some(on_event) = &self.inner.on_event {
            on_event(&event);
        }
    }
}
