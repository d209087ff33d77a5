//! What a request that passed carries along.

use http::{Extensions, Request};

use crate::client::{ClientInfo, client_of};
use crate::curfew::Curfew;
use crate::session::Presence;

/// What the layer tells the handlers behind it.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) presence: Presence,
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for extractors"))]
    pub(crate) curfew: Curfew,
}

impl Context {
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    pub(super) fn put_on<B>(self, request: &mut Request<B>) {
        request.extensions_mut().insert(self);
    }
}

impl Presence {
    /// What the layer found of the session of this request; `None` if no layer has seen it.
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        Context::of(request.extensions()).map(|context| &context.presence)
    }
}

impl ClientInfo {
    /// What is known of the client behind a request that has passed the layer. Its address is known
    /// if the server put the peer's `SocketAddr` (or axum's `ConnectInfo`) into the extensions.
    pub fn of<B>(request: &Request<B>) -> Self {
        let session = Presence::of(request).and_then(Presence::session);
        Self::new(client_of(request.headers(), request.extensions()), session.map(|s| s.id()))
    }
}
