//! A small site with a fixed key and a clock that stands still, and the tokens that it signs.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{Request, Response};
use axum::{Extension, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use time::Duration;
use tokio::runtime::{self, Runtime};
use tower::ServiceExt as _;
use tower_curfew::clock::{Clock as _, ManualClock, Timestamp};
use tower_curfew::service::CurfewLayer;
use tower_curfew::store::{MemoryStore, Record, SecretHash, Store};
use tower_curfew::{Builder, ClientDetails, ClientInfo, Curfew, Keyring, Presence, SessionId};

/// The key that signs.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// An older key, which still verifies.
pub(crate) const OLD_KEY: [u8; 32] = [8; 32];

/// The name of the cookie, which tokens are bound to.
pub(crate) const NAME: &str = "__Host-Http-session";

/// The secret half of a session, known in advance.
pub(crate) type Secret = [u8; 16];

/// A site whose handler tells what it sees of a request.
pub(crate) struct Site {
    pub(crate) curfew: Curfew,
    pub(crate) clock: ManualClock,
    router: Router,
}

/// What the handler behind the layer sees of a request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) presence: Presence,
    pub(crate) client: ClientDetails,
}

impl Site {
    pub(crate) fn new(store: impl Store) -> Self {
        Self::with(store, |builder| builder, |layer| layer)
    }

    pub(crate) fn with(
        store: impl Store,
        configure: impl FnOnce(Builder) -> Builder,
        layered: impl FnOnce(CurfewLayer) -> CurfewLayer,
    ) -> Self {
        Self::with_routes(store, configure, layered, Router::new().fallback(tell))
    }

    pub(crate) fn with_routes(
        store: impl Store,
        configure: impl FnOnce(Builder) -> Builder,
        layered: impl FnOnce(CurfewLayer) -> CurfewLayer,
        routes: Router,
    ) -> Self {
        let clock = ManualClock::default();
        let keyring = Keyring::from_bytes(KEY).and_then(|keyring| keyring.and_accept(OLD_KEY));
        let keyring = keyring.expect("both keys are long enough, and their ids differ");
        // A store that never waits: without a timeout, a slow machine is no finding.
        let builder =
            Curfew::builder(store, keyring).clock(clock.clone()).timeout(Duration::MINUTE);
        let curfew = configure(builder.purge_by_hand()).build().expect("the settings are valid");
        Self { router: routes.layer(layered(curfew.layer())), curfew, clock }
    }

    pub(crate) fn ask(&self, request: Request<Body>) -> Response<Body> {
        let answer: Result<_, Infallible> = wait(self.router.clone().oneshot(request));
        let Ok(response) = answer;
        response
    }

    /// What the handler sees of a request, and the headers of the response.
    pub(crate) fn seen(&self, request: Request<Body>) -> (Seen, Response<Body>) {
        let mut response = self.ask(request);
        let seen = response.extensions_mut().remove::<Seen>();
        (seen.expect("the layer passes every request on"), response)
    }
}

async fn tell(presence: Presence, client: ClientInfo) -> Extension<Seen> {
    Extension(Seen { presence, client: client.client().clone() })
}

/// Runs a future to its end, on one runtime for all.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: Runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without I/O needs nothing of the system");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// The time at which every site begins.
pub(crate) fn now() -> Timestamp {
    ManualClock::default().now()
}

/// A living session that has just been used, so that a request changes nothing.
pub(crate) fn living(id: SessionId, secret: Secret, user: &str) -> Record {
    Record::begin(id, hash(secret), user, now() - Duration::HOUR, 7)
        .with_activity(now())
        .with_purge_after(now() + Duration::days(28))
}

pub(crate) fn insert(store: &MemoryStore, record: Record) {
    let inserted = wait(store.insert(record.into(), None)).expect("the id is not in use");
    assert_eq!(inserted, tower_curfew::store::Inserted::Done);
}

pub(crate) fn hash(secret: Secret) -> SecretHash {
    SecretHash::from_bytes(Sha256::digest(secret).into())
}

/// Signs a token as the site does, by what its documentation says: a second implementation, which
/// can sign for any session.
pub(crate) fn token(key: [u8; 32], purpose: &str, id: SessionId, secret: Secret) -> String {
    let seconds = now().unix_millis() / 1000;
    let mut bytes = vec![1, mac(&key, &[b"tower-curfew key id"])[0]];
    bytes.extend(id.as_bytes());
    bytes.extend(secret);
    bytes.extend(&seconds.to_be_bytes()[2..]);
    let context = [b"tower-curfew v1\0", purpose.as_bytes(), b"\0", NAME.as_bytes()];
    let tag = mac(&mac(&key, &context), &[&bytes]);
    bytes.extend(tag);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let hash = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().fold(hash, |hash, part| hash.chain_update(part)).finalize().into_bytes().into()
}
