//! What a cache in front of a server promises when the way on which changes are told fails.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tower_curfew::store::Near;

use super::crowd::turn;
use super::remote::store_on;
use super::servers::{Engine, Server};
use super::wire::Wire;
use crate::support::{Browser, Site};

/// Whatever fails.
const BOUND: Duration = Duration::from_secs(2);

/// How late this test may look.
const GRACE: Duration = Duration::from_millis(150);

/// A site with one node that goes straight to a server, and one that goes over a wire and keeps sessions
/// near.
struct Scene {
    server: Server,
    wire: Wire,
    site: Site,
    near: Site,
}

impl Scene {
    async fn set(engine: Engine) -> Self {
        let server = tokio::task::spawn_blocking(move || Server::start(engine)).await.unwrap();
        let wire = Wire::to(server.port()).await.unwrap();
        let store = store_on(engine, &server.url(server.port())).await;
        let site = Site::over(store.clone(), |builder| builder);
        let over_wire = store.over(&server.url(wire.port())).await;
        let near = site.near_over(over_wire, Near::default()).await;
        Self { server, wire, site, near }
    }

    /// Somebody whose session the node keeps near.
    async fn somebody(&self) -> Browser {
        let ada = self.site.signed_in("ada", &[]).await;
        let mut here = ada.at(&self.near.router);
        let began = Instant::now();
        loop {
            self.near.store.calls();
            assert!(here.is_signed_in().await);
            if self.near.store.calls().is_empty() {
                return here;
            }
            assert!(began.elapsed() < 10 * BOUND, "nothing is cached");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// For how long a session is let in that has been ended on the other node.
    async fn outlives(&self, here: &Browser) -> Duration {
        here.at(&self.site.router).post("/logout").await;
        let ended = Instant::now();
        let mut last = Duration::ZERO;
        while ended.elapsed() < BOUND + BOUND / 2 {
            // Where the store cannot be asked the answer takes as long as it is waited for.
            let (asked, mut browser) = (ended.elapsed(), here.clone());
            let answer = timeout(BOUND, browser.open("/")).await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                last = asked;
            }
            sleep(Duration::from_millis(2)).await;
        }
        last
    }
}

#[expect(clippy::print_stdout, reason = "what was measured")]
async fn fails(engine: Engine) {
    let _turn = turn().await;
    let scene = Scene::set(engine).await;

    let here = scene.somebody().await;
    let told = scene.outlives(&here).await;
    let here = scene.somebody().await;
    assert_ne!(scene.wire.cut_push(), 0, "nobody is told of changes");
    let cut = scene.outlives(&here).await;
    let here = scene.somebody().await;
    scene.wire.swallow_push(true);
    let swallowed = scene.outlives(&here).await;
    scene.wire.swallow_push(false);
    let here = scene.somebody().await;
    scene.wire.slow_push_down(Duration::from_secs(1));
    let late = scene.outlives(&here).await;
    scene.wire.slow_push_down(Duration::ZERO);

    let here = scene.somebody().await;
    here.at(&scene.site.router).post("/logout").await;
    scene.server.freeze();
    let hung = Instant::now();
    sleep(BOUND).await;
    let mut browser = here.clone();
    let let_in = timeout(BOUND, browser.open("/")).await.is_ok_and(|answer| answer.status == 200);
    scene.server.thaw();
    assert!(!let_in, "a server that hangs has told nobody, {:?}", hung.elapsed());

    println!(
        "{engine:?}: let in for so long after the end: {told:?}; cut {cut:?}; swallowed {swallowed:?}; \
         late by a second {late:?}"
    );
    for (fault, outlived) in
        [("none", told), ("cut", cut), ("swallowed", swallowed), ("late", late)]
    {
        assert!(outlived <= BOUND + GRACE, "{engine:?}, {fault}: {outlived:?}");
    }
    let health = scene.near.curfew.health().await.near.unwrap();
    assert!(!health.is_off, "{health:?}");
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread")]
async fn r41_the_bound_holds_whatever_becomes_of_pushes_of_redis() {
    if crate::support::server("REDIS").is_none() {
        println!("skipped: set CURFEW_TEST_REDIS");
        return;
    }
    fails(Engine::Redis).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn r41_the_bound_holds_whatever_becomes_of_notifications_of_postgresql() {
    if crate::support::server("POSTGRES").is_none() {
        println!("skipped: set CURFEW_TEST_POSTGRES");
        return;
    }
    fails(Engine::Postgres).await;
}
