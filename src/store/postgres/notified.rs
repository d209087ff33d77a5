//! Notifications for listening connections, received by the tasks that move their bytes.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use crate::session::SessionId;
use crate::store::watch::{Change, Watchers};

/// The notifications of a listening connection.
#[derive(Default)]
pub(super) struct Notified {
    pub(super) watchers: Watchers,
    /// Changes with the rules.
    pub(super) rules: watch::Sender<()>,
    /// Held while such a connection is opened, so that a server that hangs does not collect them.
    pub(super) opening: Arc<Mutex<()>>,
}

impl Notified {
    pub(super) fn take(&self, payload: &str) {
        match session(payload) {
            Some(id) => self.watchers.tell(Change::Session(id)),
            None => self.rules.send_replace(()),
        }
    }
}

/// The id of a session; notifications of rules have no payload.
fn session(payload: &str) -> Option<SessionId> {
    let number = u128::from_str_radix(payload, 16).ok()?;
    Some(SessionId::from_bytes(number.to_be_bytes()))
}
