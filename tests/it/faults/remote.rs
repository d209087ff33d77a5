//! Servers that are killed, hang, cannot be reached, are slow, or refuse to write.

use std::time::Duration;

use super::crowd::{Crowd, turn};
use super::servers::{Engine, Server};
use super::wire::Wire;
use crate::support::{AnyStore, server};
#[cfg(feature = "postgres")]
use crate::support::{PgBouncer, Way};

/// A server, a wire to it, and a crowd at work on a site over both.
struct Scene {
    server: Server,
    #[cfg(feature = "postgres")]
    pooler: Option<PgBouncer>,
    wire: Wire,
    crowd: Crowd,
}

impl Scene {
    async fn set(engine: Engine) -> Option<Self> {
        let turn = turn().await;
        let server = tokio::task::spawn_blocking(move || Server::start(engine)).await.unwrap();
        let wire = Wire::to(server.port()).await.unwrap();
        let store = store_on(engine, &server.url(wire.port())).await;
        let crowd = Crowd::over(turn, store).await;
        crowd.is_well().await;
        Some(Self {
            server,
            #[cfg(feature = "postgres")]
            pooler: None,
            wire,
            crowd,
        })
    }

    /// PostgreSQL behind a PgBouncer. `None` if there is none.
    #[cfg(feature = "postgres")]
    async fn pooled() -> Option<Self> {
        let turn = turn().await;
        let start = || {
            let server = Server::start(Engine::Postgres);
            let pooler = PgBouncer::before(server.port(), 8)?;
            Some((server, pooler))
        };
        let (server, pooler) = tokio::task::spawn_blocking(start).await.unwrap()?;
        let wire = Wire::to(pooler.port()).await.unwrap();
        let way = Way::Pooler(server.url(wire.port()));
        let store = AnyStore::postgres_on(way, &server.url(server.port())).await;
        let crowd = Crowd::over(turn, store).await;
        crowd.is_well().await;
        Some(Self { server, pooler: Some(pooler), wire, crowd })
    }

    /// Something has gone wrong, and stays wrong: nobody can be let in.
    async fn nobody_is_served(&self) {
        let all_are_turned_away = |_, unavailable| unavailable > 64;
        self.crowd.works_until(Duration::from_secs(3), all_are_turned_away).await;
    }

    async fn ends_well(self) {
        self.crowd.is_well().await;
        self.crowd.goes_home().await;
        drop(self.wire);
        #[cfg(feature = "postgres")]
        drop(self.pooler);
        drop(self.server);
    }
}

pub(super) async fn store_on(engine: Engine, url: &str) -> AnyStore {
    match engine {
        #[cfg(feature = "redis")]
        Engine::Redis => AnyStore::redis_without_a_user(url).await,
        #[cfg(feature = "postgres")]
        Engine::Postgres => AnyStore::postgres_on(Way::Direct, url).await,
        #[cfg(not(all(feature = "postgres", feature = "redis")))]
        other => panic!("there is no store for {other:?}"),
    }
}

async fn killed(mut scene: Scene) {
    scene.server.kill();
    scene.nobody_is_served().await;
    let mut server = scene.server;
    scene.server = tokio::task::spawn_blocking(move || {
        server.start_again();
        server
    })
    .await
    .unwrap();
    scene.ends_well().await;
}

async fn hanging(scene: Scene) {
    scene.server.freeze();
    scene.nobody_is_served().await;
    scene.server.thaw();
    scene.ends_well().await;
}

async fn cut_off(scene: Scene) {
    for _ in 0..15 {
        scene.wire.cut();
        scene.crowd.works_until(Duration::from_millis(200), |_, _| true).await;
    }
    scene.ends_well().await;
}

async fn slow(scene: Scene) {
    scene.wire.slow_down(Duration::from_millis(2500));
    scene.nobody_is_served().await;
    scene.wire.slow_down(Duration::ZERO);
    scene.ends_well().await;
}

/// Who is signed in stays so and is served, though no activity is recorded and nobody new comes in.
async fn full(scene: Scene) {
    scene.server.refuse_writes();
    let both = |served, unavailable| served > 64 && unavailable > 0;
    scene.crowd.works_until(Duration::from_secs(3), both).await;
    scene.server.accept_writes();
    scene.ends_well().await;
}

/// Each of these over each server that is there.
macro_rules! over {
    ($feature:literal, $module:ident, $name:literal, $scene:expr) => {
        #[cfg(feature = $feature)]
        mod $module {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn r32_a_server_is_killed_and_started_again() {
                if server($name).is_some()
                    && let Some(scene) = $scene.await
                {
                    killed(scene).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn r32_trap_12_a_server_hangs() {
                if server($name).is_some()
                    && let Some(scene) = $scene.await
                {
                    hanging(scene).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn r32_all_connections_are_cut_again_and_again() {
                if server($name).is_some()
                    && let Some(scene) = $scene.await
                {
                    cut_off(scene).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn r32_a_server_is_slower_than_the_timeout() {
                if server($name).is_some()
                    && let Some(scene) = $scene.await
                {
                    slow(scene).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn r33_a_server_refuses_to_write() {
                if server($name).is_some()
                    && let Some(scene) = $scene.await
                {
                    full(scene).await;
                }
            }
        }
    };
}

over!("redis", redis, "REDIS", Scene::set(Engine::Redis));
over!("postgres", postgres, "POSTGRES", Scene::set(Engine::Postgres));
over!("postgres", postgres_behind_a_pooler, "POSTGRES", Scene::pooled());
