//! How a node says that it is, to people and to what distributes requests.

use axum::Router;
use serde_json::Value;
use time::Duration;
use tower_curfew::clock::Clock as _;
use tower_curfew::readiness_route;

use crate::support::{Answer, Fault, Site, days, minutes, on_every_store, seconds};

async fn asked(site: &Site) -> Answer {
    let router: Router = Router::new().merge(readiness_route(site.curfew.clone()));
    site.browser().at(&router).fetch("GET", "/ready").await
}

fn told(answer: &Answer) -> Value {
    assert_eq!(answer.header("cache-control"), "no-store");
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn r32_a_node_that_serves_says_so() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &["acme"]).await;
        assert!(ada.is_signed_in().await);
        let health = site.curfew.health().await;
        assert!(health.is_ready(), "{health:?}");
        assert_eq!((health.rules_behind, health.last_failures.len()), (Duration::ZERO, 0));
        assert!(health.answered_in > Duration::ZERO);
        let answer = asked(&site).await;
        assert_eq!(answer.status, 200);
        let told = told(&answer);
        assert_eq!((&told["ready"], &told["recent_failures"]), (&true.into(), &0.into()));
    })
    .await;
}

/// Whatever answers each request with 503 takes the node out of service, and nothing is told that only
/// its operators should know.
#[tokio::test(start_paused = true)]
async fn r32_a_node_that_can_serve_nobody_is_not_ready() {
    type Break = fn(&Site);
    let faults: [(Break, &str); 5] = [
        (|site| site.store.break_all(Fault::Fail), "StoreError"),
        (|site| site.store.break_all(Fault::Hang), "TimedOut"),
        (|site| site.store.garble_rules(), "Unreadable"),
        (|site| site.store.tell_time(site.clock.now() + seconds(61)), "ClocksDiffer"),
        (|site| site.store.tell_time(site.clock.now() - seconds(61)), "ClocksDiffer"),
    ];
    for (fault, problem) in faults {
        let site = Site::new();
        let mut ada = site.signed_in("ada", &[]).await;
        fault(&site);
        assert_eq!(ada.open("/").await.status, 503);
        let health = site.curfew.health().await;
        let found = format!("{:?}", health.problem.unwrap());
        assert!(found.contains(problem), "{found}");
        let answer = asked(&site).await;
        assert_eq!(answer.status, 503);
        assert_eq!(told(&answer)["ready"], false);
        assert!(!answer.body.contains("error"), "{}", answer.body);
        site.store.mend();
        assert!(ada.is_signed_in().await);
        assert_eq!(asked(&site).await.status, 200);
    }
}

#[tokio::test]
async fn r32_a_node_says_how_far_the_clock_of_its_store_is_from_its_own() {
    let site = Site::new();
    assert_eq!(site.curfew.health().await.store_clock_ahead, None, "memory has none");
    for ahead in [seconds(59), seconds(-59), seconds(90), seconds(-90)] {
        site.store.tell_time(site.clock.now() + ahead);
        let health = site.curfew.health().await;
        assert_eq!(health.store_clock_ahead, Some(ahead));
        assert_eq!(health.is_ready(), ahead.abs() <= minutes(1), "{ahead}");
        let told = told(&asked(&site).await);
        assert_eq!(
            told["store_clock_ahead_ms"],
            i64::try_from(ahead.whole_milliseconds()).unwrap()
        );
    }
}

#[tokio::test]
async fn r18_a_node_says_since_when_it_does_not_know_the_latest_rules_and_knows_them_then() {
    on_every_store(async |site| {
        let other = site.another_node(|builder| builder).await;
        assert_eq!(other.curfew.health().await.rules_behind, Duration::ZERO);
        site.set_policy("acme", tower_curfew::OrgPolicy::absolute(days(7))).await;
        site.pass(minutes(3));
        let behind = other.curfew.health().await.rules_behind;
        // A server goes by its own clock.
        assert!(behind > Duration::ZERO && behind <= minutes(4), "{behind}");
        assert_eq!(other.curfew.health().await.rules_behind, Duration::ZERO);
    })
    .await;
}

#[tokio::test]
async fn r36_the_last_calls_that_failed_are_kept_and_name_nobody() {
    let site = Site::new();
    let mut ada = site.signed_in("ada", &["acme"]).await;
    let before = site.now();
    for call in ["load", "load", "list", "replace_rules"] {
        site.store.break_only(call, Fault::Fail);
        let _ = match call {
            "load" => ada.open("/").await.status.as_u16(),
            "list" => u16::from(site.curfew.list("ada").await.is_err()),
            _ => u16::from(site.curfew.operator("tests").revoke_org("acme").await.is_err()),
        };
        site.store.mend();
    }
    let last = site.curfew.health().await.last_failures;
    let calls = Vec::from_iter(last.iter().map(|failed| failed.call));
    assert_eq!(calls, ["load", "load", "list", "replace_rules"]);
    assert!(last.iter().all(|failed| failed.at == before && !failed.error.is_empty()));
    assert!(last.iter().all(|f| !f.error.contains("ada") && !f.error.contains("acme")));
    for _ in 0..20 {
        site.store.break_only("load", Fault::Fail);
        let _ = ada.open("/").await;
    }
    assert_eq!(site.curfew.health().await.last_failures.len(), 8, "no more than the last ones");
}
