//! Carts by the id of the session. It stands for a table of your database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tower_curfew::SessionId;
use tower_curfew::event::{Event, EventKind};

#[derive(Clone, Default)]
pub(crate) struct Carts(Arc<Mutex<HashMap<SessionId, u32>>>);

impl Carts {
    pub(crate) fn count(&self, session: SessionId) -> u32 {
        self.rows().get(&session).copied().unwrap_or(0)
    }

    pub(crate) fn add(&self, session: SessionId) {
        *self.rows().entry(session).or_default() += 1;
    }

    /// Deletes the cart of a session that is over, where an event names it. The others are left to a sweep.
    pub(crate) fn deleted_by_events(self) -> impl Fn(&Event) + Send + Sync + 'static {
        move |event| match &event.kind {
            EventKind::Ended { session, .. } => drop(self.rows().remove(session)),
            // A newer sign-in took their place.
            EventKind::Started { replaced, .. } => {
                self.rows().retain(|session, _| !replaced.contains(session));
            }
            _ => {}
        }
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<SessionId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
