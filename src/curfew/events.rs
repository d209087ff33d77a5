//! Who did what: events for the log and the app.

use std::sync::Arc;

use super::handle::{Actor, Curfew};
use crate::event::{Event, EventKind};
use crate::session::{Ended, Record, SessionId, SessionKind};

impl Curfew {
    /// This handle on behalf of a user, who then stands as the actor in every [`Event`] that it
    /// causes. As an extractor of axum, the handle acts on behalf of whoever the session of the request
    /// belongs to.
    #[must_use]
    pub fn acting_as(&self, user: impl Into<String>) -> Self {
        Self { inner: self.inner.clone(), actor: Actor::Named(user.into().into()) }
    }

    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(crate) fn asked_by(&self, user: &str) -> Self {
        Self { inner: self.inner.clone(), actor: Actor::Requester(user.into()) }
    }

    /// Tells what somebody did who may be anybody.
    pub(super) fn tell_of_actor(&self, kind: EventKind) {
        let actor = match &self.actor {
            Actor::Program => None,
            Actor::Requester(user) | Actor::Named(user) => Some(user.clone()),
        };
        self.tell(actor, kind);
    }

    /// Tells what people do with their own sessions, unless somebody else is named: who signs in is
    /// not whoever had been signed in before.
    pub(super) fn tell_of_owner(&self, owner: &Arc<str>, kind: EventKind) {
        let actor = match &self.actor {
            Actor::Program | Actor::Requester(_) => owner,
            Actor::Named(user) => user,
        };
        self.tell(Some(actor.clone()), kind);
    }

    pub(super) fn tell_of_own(
        &self,
        record: &Record,
        kind: impl FnOnce(Arc<str>, SessionId) -> EventKind,
    ) {
        self.tell_of_owner(record.user(), kind(record.user().clone(), record.id()));
    }

    /// Tells of a sign-in by whoever it is, or of a token that somebody has issued.
    pub(super) fn tell_of_start(&self, record: &Record, replaced: Vec<SessionId>) {
        let (user, session, kind) = (record.user().clone(), record.id(), record.kind());
        let started = EventKind::Started { user, session, kind, client: record.client(), replaced };
        match &self.actor {
            Actor::Requester(issuer) if kind == SessionKind::Token => {
                self.tell(Some(issuer.clone()), started);
            }
            _ => self.tell_of_owner(record.user(), started),
        }
    }

    /// Tells of a session that had to make room for one that then could not begin.
    pub(super) fn tell_of_displaced(&self, record: &Record, session: SessionId) {
        let (user, ended) = (record.user().clone(), Ended::revoked(record.created()));
        self.tell_of_owner(record.user(), EventKind::Ended { user, session, ended });
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
