//! What a request that passed carries along.

use http::{Extensions, HeaderMap, Request};

use crate::curfew::{Activity, Curfew};
use crate::session::{ClientInfo, Presence};

/// What the layer tells the handlers behind it.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) presence: Presence,
    pub(crate) curfew: Curfew,
    /// Whether the request is activity.
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(crate) activity: Activity,
}

impl Context {
    /// What is known of the client behind the request with these headers and extensions.
    pub(crate) fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> ClientInfo {
        let client = self.curfew.client_reader().read(headers, extensions);
        ClientInfo::new(client, self.presence.session())
    }

    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

impl Presence {
    /// What the layer found of the session of this request; `None` if no layer has seen it.
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        Context::of(request.extensions()).map(|context| &context.presence)
    }
}

impl ClientInfo {
    /// What is known of the client behind a request that has passed the layer; nothing of another
    /// one. Its address is known if the server put the peer's `SocketAddr` (or axum's `ConnectInfo`)
    /// into the extensions.
    pub fn of<B>(request: &Request<B>) -> Self {
        let context = Context::of(request.extensions());
        context.map_or_else(Self::for_tests, |context| {
            context.client(request.headers(), request.extensions())
        })
    }
}
