//! The client that signs in.

use super::client::{ClientDetails, SessionKind};
use super::presence::Session;

/// The client that signs in, for [`Curfew::start`](crate::Curfew::start).
///
/// It has the details of the client (device, address and location), and the session that the client
/// still presents.
///
/// With axum it is an extractor. Elsewhere, use [`ClientInfo::of`].
#[derive(Clone, Debug)]
pub struct ClientInfo {
    client: ClientDetails,
    presented: Option<Session>,
}

impl ClientInfo {
    /// The client of a request that came with this session. A sign-in replaces a session in the
    /// same browser. A token belongs to another client, and stays.
    pub(crate) fn new(client: ClientDetails, session: Option<&Session>) -> Self {
        let presented = session.filter(|session| session.kind() != SessionKind::Token);
        Self { client, presented: presented.cloned() }
    }

    /// A client without details, for tests and for sign-ins without a request.
    #[must_use]
    pub fn for_tests() -> Self {
        Self::new(ClientDetails::default(), None)
    }

    /// Returns the device, the address and the location, as far as they are known.
    pub fn client(&self) -> &ClientDetails {
        &self.client
    }

    /// Returns the living session that the browser presents; `None` without one. Starting another
    /// session ends it.
    pub fn presented(&self) -> Option<Session> {
        self.presented.clone()
    }
}
