//! Who signs in.

use super::client::{ClientDetails, SessionKind};
use super::presence::Session;

/// The client that signs in, for [`Curfew::start`](crate::Curfew::start): what is known of its
/// device, address and location, and the session that it still presents.
///
/// With axum it is an extractor. Elsewhere there is [`ClientInfo::of`].
#[derive(Clone, Debug)]
pub struct ClientInfo {
    client: ClientDetails,
    presented: Option<Session>,
}

impl ClientInfo {
    /// The client of a request that came with this session. A sign-in takes the place of a session
    /// in the same browser; a token is another client, and stays.
    pub(crate) fn new(client: ClientDetails, session: Option<&Session>) -> Self {
        let presented = session.filter(|session| session.kind() != SessionKind::Token);
        Self { client, presented: presented.cloned() }
    }

    /// A client of which nothing is known, for tests and for sign-ins without a request.
    #[must_use]
    pub fn for_tests() -> Self {
        Self::new(ClientDetails::default(), None)
    }

    /// What is known of the device, the address and the location.
    pub fn client(&self) -> &ClientDetails {
        &self.client
    }

    /// The living session that the browser came with; starting another one ends it.
    pub fn presented(&self) -> Option<Session> {
        self.presented.clone()
    }
}
