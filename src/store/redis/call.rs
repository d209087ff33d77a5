//! What a server is asked.

use redis::Cmd;

/// A call, and the key by which it finds its server: all of its keys are in the slot of that one.
pub(super) struct Call {
    pub(super) key: Vec<u8>,
    pub(super) cmd: Cmd,
    /// It is done when it has reached so many replicas.
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
