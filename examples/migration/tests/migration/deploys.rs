//! A deploy in the middle of sessions: the app with tower-sessions, then the one with both.

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_curfew::{Curfew, Keyring, Selector};
use tower_sessions::MemoryStore;

use crate::app::visit;
use crate::browser::{Browser, Profile};
use crate::has_browser;
use crate::page::Page;
use crate::story::{at_login, cookies, is_sent_to_login, sign_in};

#[allow(dead_code)]
#[path = "../../tower_sessions/after.rs"]
mod after;
#[allow(dead_code)]
#[path = "../../tower_sessions/before.rs"]
mod before;
#[allow(dead_code)]
#[path = "../../tower_sessions/side_by_side.rs"]
mod side_by_side;

const OURS: &str = "__Host-Http-session";

/// An app whose first version was stopped.
struct Deployed {
    // What outlives a deploy: it is in a database elsewhere.
    visitors: MemoryStore,
    curfew: Curfew,
    /// Of a browser that is signed in as ada, with a cart.
    page: Page,
    port: u16,
    /// Its cookies.
    old: String,
}

impl Deployed {
    async fn before() -> Self {
        let visitors = MemoryStore::default();
        let store = tower_curfew::store::MemoryStore::new();
        let curfew = Curfew::builder(store, Keyring::from_bytes([7; 32]).unwrap()).build().unwrap();
        let server = Server::start(before::app(visitors.clone()), 0).await;
        let port = server.port;
        let page = Page::new(Browser::start(Profile::default()).await, port);
        page.open("/").await;
        sign_in(&page, "ada", "lovelace").await;
        page.click("Add to cart").await;
        page.says("Your cart has 1.").await;
        let old = cookies(&page).await;
        assert!(!old.contains(OURS), "{old}");
        server.stop().await;
        Self { visitors, curfew, page, port, old }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_sessions_go_on_and_new_ones_are_new() {
    if !has_browser("old_sessions_go_on_and_new_ones_are_new") {
        return;
    }
    let Deployed { visitors, curfew, page, port, old } = Deployed::before().await;

    // The old session, with its cart, is as good as before.
    let server = Server::start(side_by_side::app(visitors.clone(), curfew.clone()), port).await;
    page.open("/").await;
    page.says("Hello ada!").await;
    page.click("Add to cart").await;
    page.says("Your cart has 2.").await;
    assert!(!cookies(&page).await.contains(OURS), "nobody has signed in anew");
    assert!(curfew.list("ada").await.unwrap().is_empty());

    // It ends like a session of its own kind.
    page.click("Sign out").await;
    at_login(&page).await;
    let replayed = visit(port, &format!("Cookie: {old}")).await;
    assert!(is_sent_to_login(&replayed), "{replayed}");

    // The next sign-in is a new one, which the old cookie is no part of.
    sign_in(&page, "ada", "lovelace").await;
    page.says("Hello ada!").await;
    let new = cookies(&page).await;
    assert!(new.contains(OURS), "{new}");
    assert_eq!(curfew.list("ada").await.unwrap().len(), 1);
    let alone = visit(port, &format!("Cookie: {}", without_ours(&new))).await;
    assert!(is_sent_to_login(&alone), "it holds no user: {alone}");

    // A new session that was revoked is over, although cookies of both kinds are there.
    curfew.operator("test").revoke(Selector::user("ada")).await.unwrap();
    page.open("/").await;
    at_login(&page).await;
    sign_in(&page, "grace", "lovelace").await;
    page.says("Hello grace!").await;
    server.stop().await;

    // Who has a new session does not notice when the old ones are gone.
    let _server = Server::start(after::app(visitors, curfew), port).await;
    page.open("/").await;
    page.says("Hello grace!").await;
}

/// A sign-in while an old session is alive takes its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_the_old_session_of_the_browser() {
    if !has_browser("a_sign_in_ends_the_old_session_of_the_browser") {
        return;
    }
    let Deployed { visitors, curfew, page, port, old } = Deployed::before().await;

    let _server = Server::start(side_by_side::app(visitors, curfew), port).await;
    page.open("/login").await;
    sign_in(&page, "grace", "lovelace").await;
    page.says("Hello grace!").await;
    page.says("Your cart has 0.").await;
    let replayed = visit(port, &format!("Cookie: {old}")).await;
    assert!(is_sent_to_login(&replayed), "{replayed}");
}

fn without_ours(cookies: &str) -> String {
    let others = cookies.split("; ").filter(|pair| !pair.starts_with(OURS));
    others.collect::<Vec<_>>().join("; ")
}

struct Server {
    port: u16,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Server {
    /// Serves it on this port, or on a free one.
    async fn start(app: Router, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        Self { port, stop, done: tokio::spawn(async { serving.await.unwrap() }) }
    }

    /// Once it is done no connection of the browser leads there any more.
    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(20), self.done).await.unwrap().unwrap();
    }
}
