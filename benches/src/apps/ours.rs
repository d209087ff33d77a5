//! tower-curfew, with what may be known of a session.

use std::net::{Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, Path};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use tower_curfew::store::Store;
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, OrgPolicy, Session};

const ORG: &str = "acme";

pub fn curfew(store: impl Store) -> Curfew {
    let keyring = Keyring::from_bytes([7; 32]).expect("32 bytes");
    Curfew::builder(store, keyring).build().expect("the settings are those by default")
}

/// Sessions of which nothing is known but whose they are.
pub fn plain(store: impl Store) -> Router {
    let curfew = curfew(store);
    let handle = curfew.clone();
    let sign_in = get(async move |Path(user): Path<String>| {
        handle.start(NewSession::for_user(user), &ClientInfo::for_tests()).await
    });
    Router::new().route("/", get(whoami)).route("/sign-in/{user}", sign_in).layer(curfew.layer())
}

/// Sessions with a device, an address and an organization.
pub fn full(store: impl Store) -> Router {
    whoami_of(curfew(store))
}

/// The same, and the organization has a policy.
pub async fn with_policy(store: impl Store) -> Router {
    let curfew = curfew(store);
    let policy = OrgPolicy::absolute(time::Duration::days(7));
    curfew.operator("bench").set_policy(ORG, policy).await.expect("a store");
    whoami_of(curfew)
}

/// The app over a handle, whose sessions have all that is usually known.
pub fn whoami_of(curfew: Curfew) -> Router {
    let handle = curfew.clone();
    let sign_in = async move |Path(user): Path<String>, client: ClientInfo| {
        let details = client.client();
        assert!(details.device.is_some() && details.address.is_some(), "it is to be measured");
        handle.start(NewSession::for_user(user).orgs([ORG]), &client).await.into_response()
    };
    // Here alone: requests that are measured come with what the others come with.
    let address = ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 1024)));
    let sign_in = get(sign_in).layer(Extension(address));
    Router::new().route("/", get(whoami)).route("/sign-in/{user}", sign_in).layer(curfew.layer())
}

async fn whoami(session: Session) -> String {
    session.user().to_owned()
}
