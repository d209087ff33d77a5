//! What is no activity: what a page asks for by itself, again and again.

use axum::Router;
use axum::routing::any;
use time::Duration;
use tower_curfew::service::CurfewLayer;
use tower_curfew::{Builder, Limits, NewSession};

use super::accounts::SESSION;
use crate::support::{
    Browser, Fault, Log, MS, Site, hours, on_every_store, on_every_store_with, routes, seconds,
};

const IDLE: Duration = Duration::seconds(20);

fn impatient(builder: Builder) -> Builder {
    builder.limits(Limits::idle(IDLE))
}

/// The site with this layer instead of its own.
fn router(site: &Site, layer: CurfewLayer) -> Router {
    routes().layer(layer.passive([SESSION])).with_state(site.curfew.clone())
}

/// That somebody ends on time who asks for this path every second, at no cost but reading.
async fn ends_on_time(site: &Site, mut ada: Browser, method: &str, path: &str) {
    site.store.calls();
    for second in 1..20 {
        site.pass(seconds(1));
        let status = ada.fetch(method, path).await.status;
        assert!(status != 401 && status != 303, "{method} {path}, second {second}: {status}");
    }
    site.pass(seconds(1) - MS);
    assert_ne!(ada.fetch(method, path).await.status, 401, "{method} {path}");
    let calls = site.store.calls();
    assert!(calls.len() == 20 && calls.iter().all(|call| *call == "load"), "{calls:?}");
    site.pass(MS);
    ada.fetch(method, path).await;
    assert_eq!(site.store.calls(), ["load", "end"], "it is found over, and written down");
    let ended = site.record(&ada).await.ended().cloned().unwrap();
    assert_eq!((ended.at, ended.reason.as_str()), (site.now(), "idle"), "{method} {path}");
    assert_eq!(ada.turned_away_because().await, "idle");
}

/// That a request is recorded, and keeps somebody signed in who makes it again and again.
async fn keeps_alive(site: &Site, mut ada: Browser, method: &str, path: &str) {
    for _ in 0..3 {
        site.pass(IDLE - MS);
        site.store.calls();
        ada.fetch(method, path).await;
        assert_eq!(site.store.calls()[..2], ["load", "touch"], "{method} {path}");
        assert_eq!(site.record(&ada).await.last_seen(), site.now(), "{method} {path}");
    }
}

#[tokio::test]
async fn r13_to_ask_how_long_a_session_lasts_does_not_make_it_last() {
    on_every_store_with(impatient, async |site| {
        for method in ["GET", "HEAD"] {
            for path in [SESSION, "/account/session?of=mine"] {
                let ada = site.signed_in("ada", &[]).await;
                ends_on_time(&site, ada, method, path).await;
            }
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let ada = site.signed_in("ada", &[]).await;
            keeps_alive(&site, ada, method, "/").await;
        }
        // None of them is passive by its name.
        for path in ["/account/sessions", "/account/session/", "/session", "/elsewhere/session"] {
            let ada = site.signed_in("ada", &[]).await;
            keeps_alive(&site, ada, "GET", path).await;
        }
    })
    .await;
}

#[tokio::test]
async fn r13_the_countdown_runs_on_while_a_page_asks_for_it() {
    on_every_store_with(impatient, async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        for left in (0..20).rev() {
            site.pass(seconds(1));
            let current = ada.fetch("GET", SESSION).await;
            // It is asked once more at the very end.
            if left == 0 {
                assert_eq!(current.unauthorized_because(), "idle");
            } else {
                assert_eq!(current.json()["ends_in_seconds"], left);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r13_paths_that_the_app_calls_passive_are_no_activity_by_any_method() {
    on_every_store_with(impatient, async |site| {
        let router = router(&site, site.curfew.layer().passive(["/poll", "/feed/*"]));
        for path in ["/poll", "/poll?since=7", "/feed/", "/feed/news", "/feed/a/b", SESSION] {
            let ada = site.signed_in("ada", &[]).await.at(&router);
            ends_on_time(&site, ada, "GET", path).await;
        }
        for method in ["HEAD", "POST", "DELETE", "OPTIONS"] {
            let ada = site.signed_in("ada", &[]).await.at(&router);
            ends_on_time(&site, ada, method, "/poll").await;
        }
        for path in [
            "/",
            "/polls",
            "/poll/",
            "/poll/x",
            "/Poll",
            "/p%6fll",
            "/feed",
            "/feeds",
            "/x/poll",
            "/feed/../",
            "/feed/..;/",
            "/feed/..%252f",
            "/feed/..%c0%af",
        ] {
            let ada = site.signed_in("ada", &[]).await.at(&router);
            keeps_alive(&site, ada, "GET", path).await;
        }
    })
    .await;
}

#[tokio::test]
async fn r13_a_passive_request_is_checked_like_any_other() {
    on_every_store_with(impatient, async |site| {
        let layers = [site.curfew.layer(), site.curfew.layer().required()];
        for (layer, anonymous) in layers.into_iter().zip([404, 401]) {
            let router = router(&site, layer.passive(["/poll"]));
            let mut ada = site.signed_in("ada", &[]).await.at(&router);
            let mut nobody = site.browser().at(&router);
            assert_eq!(ada.fetch("GET", "/poll").await.status, 404, "there is no such page");
            assert_eq!(nobody.fetch("GET", "/poll").await.status, anonymous);
            assert_eq!(nobody.fetch("GET", SESSION).await.status, 401);
            site.store.break_only("load", Fault::Fail);
            assert_eq!(ada.fetch("GET", "/poll").await.status, 503);
            site.store.mend();
            site.pass(IDLE);
            let mut tab = ada.clone();
            assert_eq!(ada.fetch("GET", SESSION).await.unauthorized_because(), "idle");
            assert!(ada.cookie.is_some(), "a request in the background never clears it");
            let answer = ada.open("/poll").await;
            assert_eq!(answer.turned_away_because(), "idle");
            assert_eq!((answer.set_cookies().len(), &ada.cookie), (1, &None));
            assert_eq!(tab.turned_away_because().await, "idle");
        }
    })
    .await;
}

#[tokio::test]
async fn r13_a_required_session_ends_on_time_under_passive_requests() {
    on_every_store_with(impatient, async |site| {
        let layer = site.curfew.layer().required().passive(["/poll"]);
        let router = router(&site, layer);
        for path in ["/poll", SESSION] {
            let ada = site.signed_in("ada", &[]).await.at(&router);
            ends_on_time(&site, ada, "GET", path).await;
        }
        keeps_alive(&site, site.signed_in("ada", &[]).await.at(&router), "GET", "/").await;
    })
    .await;
}

#[tokio::test]
async fn r13_below_a_prefix_paths_are_those_that_the_browser_asked_for() {
    on_every_store_with(impatient, async |site| {
        let pages = || Router::new().route("/poll", any(async || "a page"));
        let inside = |path| {
            let layer = site.curfew.layer().passive([path]);
            Router::new()
                .nest("/api", pages().layer(layer))
                .merge(router(&site, site.curfew.layer()))
        };
        let (whole, rest) = (inside("/api/poll"), inside("/poll"));
        let ada = site.signed_in("ada", &[]).await.at(&whole);
        ends_on_time(&site, ada, "GET", "/api/poll").await;
        let ada = site.signed_in("ada", &[]).await.at(&rest);
        keeps_alive(&site, ada, "GET", "/api/poll").await;
    })
    .await;
}

#[tokio::test]
async fn r10_the_cookie_that_is_due_waits_for_the_next_activity() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        for _ in 0..5 {
            site.pass(hours(1));
            assert_eq!(ada.fetch("GET", SESSION).await.set_cookies(), [""; 0]);
        }
        assert_eq!(ada.open("/").await.set_cookies().len(), 1);
        assert_eq!(site.record(&ada).await.last_seen(), site.now());
    })
    .await;
}

#[tokio::test]
async fn r13_a_token_that_only_looks_has_not_been_used_yet() {
    on_every_store(async |site| {
        let new = NewSession::for_user("ada").named("backup");
        let mut program = site.program(new).await;
        site.pass(hours(5));
        site.store.calls();
        assert_eq!(program.fetch("GET", SESSION).await.status, 200);
        assert_eq!(site.store.calls(), ["load"]);
        assert!(program.is_signed_in().await);
        assert_eq!(site.store.calls(), ["load", "touch"]);
    })
    .await;
}

#[tokio::test]
async fn r13_the_route_that_was_not_called_passive_says_so_once() {
    let (_, lines) = Log::of(async || {
        let site = Site::new();
        let unmarked = routes().layer(site.curfew.layer()).with_state(site.curfew.clone());
        for router in [&site.router, &unmarked, &unmarked] {
            let mut ada = site.signed_in("ada", &[]).await.at(router);
            assert_eq!(ada.fetch("GET", SESSION).await.status, 200);
        }
    })
    .await;
    let advice = lines.iter().filter(|(_, line)| line.contains(".passive(")).collect::<Vec<_>>();
    assert!(matches!(advice[..], [(tracing::Level::WARN, _)]), "{lines:?}");
}
