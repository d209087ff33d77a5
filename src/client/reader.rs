//! The client's details in a request, as far as the app keeps them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{Extensions, HeaderMap, header};

use super::{AddressRetention, Locate, NameDevice, Proxies, WellKnown};
use crate::session::{ClientDetails, MAX_LABEL, shows_nothing, turns_text};

/// Reads the details of clients from their requests.
pub(crate) struct ClientReader {
    pub(crate) proxies: Option<Proxies>,
    pub(crate) retention: AddressRetention,
    pub(crate) devices: Box<dyn NameDevice>,
    pub(crate) places: Option<Box<dyn Locate>>,
}

impl Default for ClientReader {
    fn default() -> Self {
        Self {
            proxies: None,
            retention: AddressRetention::Keep,
            devices: Box::new(WellKnown),
            places: None,
        }
    }
}

impl fmt::Debug for ClientReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientReader").finish_non_exhaustive()
    }
}

impl ClientReader {
    pub(crate) fn read(&self, headers: &HeaderMap, extensions: &Extensions) -> ClientDetails {
        let agent = headers.get(header::USER_AGENT).map(|agent| agent.as_bytes());
        let address = self.address(headers, extensions);
        // From the whole address: the part that is kept may be too short.
        let location = address.and_then(|address| self.places.as_ref()?.locate(address));
        ClientDetails {
            agent: agent.and_then(label),
            device: self.devices.name_device(headers).and_then(|device| label(device.as_bytes())),
            address: address.and_then(|address| self.retention.apply(address)),
            location: location.and_then(|location| label(location.as_bytes())),
        }
    }

    fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        let peer = peer(extensions)?.ip().to_canonical();
        match &self.proxies {
            Some(proxies) => proxies.client_behind(peer, headers),
            None => Some(peer),
        }
    }
}

/// The part of a client's text that is kept: no control characters and no direction changes, at
/// most [`MAX_LABEL`] bytes; `None` if no character is visible.
fn label(bytes: &[u8]) -> Option<Arc<str>> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_LABEL)]);
    let mut label = text.replace(turns_text, "").replace(char::is_control, " ");
    while label.len() > MAX_LABEL {
        label.pop();
    }
    (!shows_nothing(&label)).then(|| label.into())
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
    use http::HeaderValue;

    use super::*;

    fn client(headers: &HeaderMap, extensions: &Extensions) -> ClientDetails {
        ClientReader::default().read(headers, extensions)
    }

    fn agent(value: &[u8]) -> Option<Arc<str>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_bytes(value).unwrap());
        client(&headers, &Extensions::new()).agent
    }

    #[test]
    fn r37_a_user_agent_is_kept_up_to_512_bytes_and_as_text() {
        assert_eq!(agent(b"curl/8.5.0").as_deref(), Some("curl/8.5.0"));
        assert_eq!(agent(&[b'x'; 10_240]).unwrap().len(), 512);
        assert_eq!(agent(b"a\tb").as_deref(), Some("a b"));
        assert_eq!(agent(b""), None);
        let odd = agent(&[0xff; 600]).unwrap();
        assert!(odd.len() <= 512 && odd.starts_with('\u{fffd}'), "{odd}");
    }

    #[test]
    fn r37_names_of_devices_and_places_are_cut_too() {
        let reader = ClientReader {
            devices: Box::new(|_: &HeaderMap| Some("d\n".repeat(600))),
            places: Some(Box::new(|_: IpAddr| Some("é".repeat(600)))),
            ..ClientReader::default()
        };
        let mut extensions = Extensions::new();
        extensions.insert(SocketAddr::from(([203, 0, 113, 7], 80)));
        let client = reader.read(&HeaderMap::new(), &extensions);
        assert_eq!(client.device, Some("d ".repeat(256).into()));
        assert_eq!(client.location, Some("é".repeat(256).into()));
    }

    #[test]
    fn r24_a_label_that_shows_nothing_is_none_and_none_is_turned_around() {
        for nothing in ["", " ", "\t \u{a0}", "\u{200b}\u{feff}", "\u{202e}\u{2066}\u{200f}"] {
            assert_eq!(agent(nothing.as_bytes()), None, "{nothing:?}");
        }
        let turned = "Fire\u{202e}xof\u{202c} \u{2067}on\u{2069} \u{200e}Linux\u{61c}";
        assert_eq!(agent(turned.as_bytes()).as_deref(), Some("Firexof on Linux"));
        assert_eq!(
            agent("\u{5d0}\u{5d1} \u{200b}x".as_bytes()).as_deref(),
            Some("\u{5d0}\u{5d1} \u{200b}x")
        );
        let reader = ClientReader {
            devices: Box::new(|_: &HeaderMap| Some("\u{202e}\u{200b}".to_owned())),
            places: Some(Box::new(|_: IpAddr| Some("Par\u{202e}is".to_owned()))),
            ..ClientReader::default()
        };
        let mut extensions = Extensions::new();
        extensions.insert(SocketAddr::from(([203, 0, 113, 7], 80)));
        let client = reader.read(&HeaderMap::new(), &extensions);
        assert_eq!(client.device, None);
        assert_eq!(client.location.as_deref(), Some("Paris"));
    }

    #[test]
    fn trap_30_the_address_is_that_of_the_peer_and_of_no_header() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        headers.insert("forwarded", HeaderValue::from_static("for=6.6.6.6"));
        let mut extensions = Extensions::new();
        assert_eq!(client(&headers, &extensions).address, None);
        extensions.insert(SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7107], 80)));
        let address = client(&headers, &extensions).address;
        assert_eq!(address, Some(IpAddr::from([203, 0, 113, 7])));
    }

    #[test]
    fn the_location_is_that_of_the_whole_address_whatever_is_kept_of_it() {
        let reader = |retention| ClientReader {
            retention,
            places: Some(Box::new(|address: IpAddr| Some(address.to_string()))),
            ..ClientReader::default()
        };
        let mut extensions = Extensions::new();
        extensions.insert(SocketAddr::from(([203, 0, 113, 7], 80)));
        for (retention, kept) in [
            (AddressRetention::Keep, Some("203.0.113.7")),
            (AddressRetention::Truncate, Some("203.0.113.0")),
            (AddressRetention::Drop, None),
        ] {
            let client = reader(retention).read(&HeaderMap::new(), &extensions);
            assert_eq!(client.address.map(|address| address.to_string()).as_deref(), kept);
            assert_eq!(client.location.as_deref(), Some("203.0.113.7"));
        }
    }
}
