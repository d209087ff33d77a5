//! What only lists show of a client. It stays as it is kept until somebody asks.

use std::sync::Arc;

use minicbor::Decoder;

use super::client::ClientDetails;

/// User agent, device and location, as an array in CBOR.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Labels(Arc<[u8]>);

impl Labels {
    /// `None` if there are none.
    pub(super) fn of(client: &ClientDetails) -> Option<Self> {
        let ClientDetails { agent, device, address: _, location } = client;
        let labels = [agent, device, location].map(|label| label.as_deref());
        if labels == [None; 3] {
            return None;
        }
        let bytes = minicbor::to_vec(labels).expect("a vector can be written to");
        Some(Self(bytes.into()))
    }

    /// Takes an array of three labels out of the input; what is in them is looked at later.
    pub(super) fn take(input: &mut Decoder<'_>) -> Result<Self, minicbor::decode::Error> {
        let start = input.position();
        let _: [Option<&str>; 3] = input.decode()?;
        Ok(Self(input.input()[start..input.position()].into()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn decode(&self) -> ClientDetails {
        let labels = minicbor::decode::<[Option<&str>; 3]>(&self.0);
        let [agent, device, location] =
            labels.unwrap_or_default().map(|label| label.map(Arc::from));
        ClientDetails { agent, device, address: None, location }
    }
}

/// The bytes, for a store that shares those that are alike.
impl AsMut<Arc<[u8]>> for Labels {
    fn as_mut(&mut self) -> &mut Arc<[u8]> {
        &mut self.0
    }
}
