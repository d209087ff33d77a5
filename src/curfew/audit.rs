//! Who did what: events for the log and the app, and the work that they tell of.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;

use tracing::Instrument as _;

use super::{Curfew, Error};
use crate::event::{Event, What};
use crate::session::{Kind, Record, SessionId};

/// In whose hands a handle is.
#[derive(Clone, Default)]
pub(super) enum Hands {
    /// Nobody's that is known: it is the program's own.
    #[default]
    Program,
    /// Those of whoever sent the request that it was extracted from.
    Asker(Arc<str>),
    /// Those of somebody whom the program has named.
    Named(Arc<str>),
}

impl Curfew {
    /// This handle in the hands of a user, who then stands as the actor in every [`Event`] that it
    /// causes. As an extractor of axum, the handle is in the hands of whoever the session of the
    /// request belongs to.
    #[must_use]
    pub fn acting_as(&self, user: impl ToString) -> Self {
        Self { inner: self.inner.clone(), hands: Hands::Named(user.to_string().into()) }
    }

    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(crate) fn asked_by(&self, user: &str) -> Self {
        Self { inner: self.inner.clone(), hands: Hands::Asker(user.into()) }
    }

    /// Tells what somebody did who may be anybody.
    pub(super) fn tell_of_actor(&self, what: What) {
        let actor = match &self.hands {
            Hands::Program => None,
            Hands::Asker(user) | Hands::Named(user) => Some(user.clone()),
        };
        self.tell(actor, what);
    }

    /// Tells what people do with their own sessions, unless somebody else is named: who signs in is
    /// not whoever had been signed in before.
    pub(super) fn tell_of_owner(&self, owner: &Arc<str>, what: What) {
        let actor = match &self.hands {
            Hands::Program | Hands::Asker(_) => owner,
            Hands::Named(user) => user,
        };
        self.tell(Some(actor.clone()), what);
    }

    pub(super) fn tell_of_own(
        &self,
        record: &Record,
        what: impl FnOnce(Arc<str>, SessionId) -> What,
    ) {
        self.tell_of_owner(&record.user, what(record.user.clone(), record.id));
    }

    /// Tells of a sign-in by whoever it is, or of a token that somebody has issued.
    pub(super) fn tell_of_start(&self, record: &Record, replaced: Vec<SessionId>) {
        let (user, session, kind) = (record.user.clone(), record.id, record.kind);
        let what = What::Started { user, session, kind, client: record.client.clone(), replaced };
        match &self.hands {
            Hands::Asker(issuer) if kind == Kind::Token => self.tell(Some(issuer.clone()), what),
            _ => self.tell_of_owner(&record.user, what),
        }
    }

    /// Tells the log and the app what happened.
    pub(super) fn tell(&self, actor: Option<Arc<str>>, what: What) {
        let event = Event { at: self.now(), actor, what };
        event.trace();
        if let Some(on_event) = &self.inner.on_event {
            on_event(&event);
        }
    }

    /// Works to the end, also if nobody waits for the answer any more: who hangs up must not leave
    /// half of it done, or all of it untold.
    pub(super) async fn uninterrupted<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        match tokio::spawn(work.in_current_span()).await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime shuts down.
                Err(cancelled) => Err(Error::unavailable(cancelled)),
            },
        }
    }
}
