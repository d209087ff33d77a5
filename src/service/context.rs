//! The data that an admitted request carries.

use http::{Extensions, HeaderMap, Request};

use crate::curfew::{Activity, Curfew};
use crate::session::{ClientInfo, Presence};

/// The data that the layer passes to the handlers behind it.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) presence: Presence,
    pub(crate) curfew: Curfew,
    /// Whether the request counts as activity.
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(crate) activity: Activity,
}

impl Context {
    /// The client of a request with these headers and extensions.
    pub(crate) fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> ClientInfo {
        let client = self.curfew.client_reader().read(headers, extensions);
        ClientInfo::new(client, self.presence.session())
    }

    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

impl Presence {
    /// Returns the result of the layer's check for this request; `None` if no layer has seen it.
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        Context::of(request.extensions()).map(|context| &context.presence)
    }
}

impl ClientInfo {
    /// Returns the client's details for a request that was admitted by the layer; empty for others.
    ///
    /// The address is known if the server put the peer's `SocketAddr` (or axum's `ConnectInfo`)
    /// into the extensions.
    pub fn of<B>(request: &Request<B>) -> Self {
        let context = Context::of(request.extensions());
        context.map_or_else(Self::for_tests, |context| {
            context.client(request.headers(), request.extensions())
        })
    }
}
