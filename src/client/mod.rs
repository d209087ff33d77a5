//! Who is behind a request, as far as it can be known.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Extensions, HeaderMap, header};

use crate::session::{Client, MAX_LABEL, SessionId};

/// The client that signs in, for [`Curfew::start`](crate::Curfew::start): what is known of its
/// device and address, and the session that it still presents.
///
/// With axum it is an extractor. Elsewhere there is [`ClientInfo::of`].
#[derive(Clone, Debug)]
pub struct ClientInfo {
    client: Client,
    presented: Option<SessionId>,
}

impl ClientInfo {
    pub(crate) fn new(client: Client, presented: Option<SessionId>) -> Self {
        Self { client, presented }
    }

    /// A client of which nothing is known, for tests and for sign-ins without a request.
    #[must_use]
    pub fn for_tests() -> Self {
        Self::new(Client::default(), None)
    }

    /// What is known of the device and the address.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The living session that the request came with; starting another one ends it.
    pub fn presented(&self) -> Option<SessionId> {
        self.presented
    }
}

/// What a request says of its client. The address is that of the peer of the connection, never of
/// a header that anybody may write.
pub(crate) fn client_of(headers: &HeaderMap, extensions: &Extensions) -> Client {
    let agent = headers.get(header::USER_AGENT).map(|agent| label(agent.as_bytes()));
    let address = peer(extensions).map(|peer| peer.ip().to_canonical());
    Client { agent, address, location: None }
}

/// As much of a header as is kept: text without control characters, at most [`MAX_LABEL`] bytes.
fn label(bytes: &[u8]) -> Arc<str> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_LABEL)]);
    let mut label = text.replace(char::is_control, " ");
    while label.len() > MAX_LABEL {
        label.pop();
    }
    label.into()
}

fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    {
        use axum::extract::ConnectInfo;
        use axum::extract::connect_info::MockConnectInfo;

        if let Some(ConnectInfo(peer)) = extensions.get() {
            return Some(*peer);
        }
        if let Some(MockConnectInfo(peer)) = extensions.get() {
            return Some(*peer);
        }
    }
    extensions.get().copied()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::HeaderValue;

    use super::*;

    fn agent(value: &[u8]) -> Arc<str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_bytes(value).unwrap());
        client_of(&headers, &Extensions::new()).agent.unwrap()
    }

    #[test]
    fn r37_a_user_agent_is_kept_up_to_512_bytes_and_as_text() {
        assert_eq!(&*agent(b"curl/8.5.0"), "curl/8.5.0");
        assert_eq!(agent(&[b'x'; 10_240]).len(), 512);
        assert_eq!(&*agent(b"a\tb"), "a b");
        let odd = agent(&[0xff; 600]);
        assert!(odd.len() <= 512 && odd.starts_with('\u{fffd}'), "{odd}");
    }

    #[test]
    fn the_address_is_that_of_the_peer_and_of_no_header() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        let mut extensions = Extensions::new();
        assert_eq!(client_of(&headers, &extensions).address, None);
        extensions.insert(SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7107], 80)));
        let address = client_of(&headers, &extensions).address;
        assert_eq!(address, Some(IpAddr::from([203, 0, 113, 7])));
    }
}
