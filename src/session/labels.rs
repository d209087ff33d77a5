//! Labels of a client that only lists show. They stay encoded until they are needed.

use std::sync::Arc;

use minicbor::Decoder;

use super::client::ClientDetails;

/// User agent, device and location, as a CBOR array.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Labels(Arc<[u8]>);

impl Labels {
    /// `None` if the client has no labels.
    pub(super) fn of(client: &ClientDetails) -> Option<Self> {
        let ClientDetails { agent, device, address: _, location } = client;
        let labels = [agent, device, location].map(|label| label.as_deref());
        if labels == [None; 3] {
            return None;
        }
        let bytes = minicbor::to_vec(labels).expect("a vector can be written to");
        Some(Self(bytes.into()))
    }

    /// Takes an array of three labels from the input; the labels are decoded later.
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

/// The bytes, for a store that shares equal ones.
impl AsMut<Arc<[u8]>> for Labels {
    fn as_mut(&mut self) -> &mut Arc<[u8]> {
        &mut self.0
    }
}
