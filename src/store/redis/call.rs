//! A call to a server.

use redis::Cmd;

/// A call, and the key that selects its server: all of its keys are in the same slot.
pub(super) struct Call {
    pub(super) key: Vec<u8>,
    pub(super) cmd: Cmd,
    /// The number of replicas that must have the change.
    pub(super) replicas: Option<u32>,
}

impl Call {
    pub(super) fn new(key: impl Into<Vec<u8>>, cmd: Cmd) -> Self {
        Self { key: key.into(), cmd, replicas: None }
    }

    pub(super) fn get(key: &[u8]) -> Self {
        Self::new(key, Cmd::get(key))
    }
}
