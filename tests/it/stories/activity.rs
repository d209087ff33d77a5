//! What counts as activity, and how exactly idleness is measured.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use time::Duration;
use tower_curfew::{Limits, NewSession, OrgPolicy};

use crate::support::{
    Browser, Fault, MS, Site, days, hours, minutes, on_every_store, on_every_store_with, seconds,
};

fn ada() -> NewSession {
    NewSession::for_user("ada").orgs(["acme"])
}

#[tokio::test]
async fn r08_idleness_is_exact_to_the_touch_interval_and_never_too_long() {
    let (idle, interval) = (minutes(15), seconds(90));
    on_every_store_with(
        |builder| builder.limits(Limits::idle(idle)),
        async |site| {
            for last in [seconds(0), seconds(1), interval - MS, interval, seconds(500), idle - MS] {
                let mut pair = site.started_twice(ada()).await;
                site.pass(last);
                for browser in &mut pair {
                    assert!(browser.is_signed_in().await);
                }
                let unrecorded = if last < interval { last } else { minutes(0) };
                site.ends_in(idle - unrecorded, &mut pair, "idle").await;
            }
        },
    )
    .await;
}

/// How a stricter idle limit begins to bind.
#[derive(Clone, Copy, Debug)]
enum By {
    Policy,
    Joining,
}

async fn bind(site: &Site, by: By, idle: Duration) {
    match by {
        By::Policy => site.set_policy("acme", OrgPolicy::idle(idle)).await,
        By::Joining => {
            site.set_policy("globex", OrgPolicy::idle(idle)).await;
            site.curfew.set_orgs("ada", ["globex"]).await.unwrap();
        }
    }
}

fn idle_by(by: By) -> &'static str {
    match by {
        By::Policy => "idle acme",
        By::Joining => "idle globex",
    }
}

#[tokio::test]
async fn r08_a_stricter_idle_limit_throws_nobody_out_who_is_at_work() {
    for by in [By::Policy, By::Joining] {
        on_every_store(async |site| {
            let mut pair = site.started_twice(ada()).await;
            // Their activity is recorded hourly as yet.
            for _ in 0..11 {
                site.pass(minutes(5));
                for browser in &mut pair {
                    assert!(browser.is_signed_in().await);
                }
            }
            let mut others = pair.clone();
            bind(&site, by, minutes(15)).await;
            site.ends_in(minutes(15), &mut pair, idle_by(by)).await;

            // A copy of the one that was there a millisecond ago.
            site.pass(minutes(14));
            assert!(others[0].is_signed_in().await, "{by:?}");
            site.pass(minutes(15));
            assert_eq!(others[0].turned_away_because().await, idle_by(by));
        })
        .await;
    }
}

#[tokio::test]
async fn r08_a_stricter_idle_limit_counts_from_its_begin_or_an_hour_after_the_last_activity() {
    for by in [By::Policy, By::Joining] {
        for (silent_for, left) in [
            (MS, minutes(15)),
            (minutes(30), minutes(15)),
            (minutes(60), minutes(15)),
            (minutes(61), minutes(14)),
            (minutes(74), minutes(1)),
            (minutes(75) - MS, MS),
        ] {
            on_every_store(async |site| {
                let mut pair = site.started_twice(ada()).await;
                site.pass(silent_for);
                bind(&site, by, minutes(15)).await;
                site.ends_in(left, &mut pair, idle_by(by)).await;
            })
            .await;
        }
    }
}

#[tokio::test]
async fn r08_a_stricter_idle_limit_ends_whoever_has_been_away_for_long_at_once() {
    for by in [By::Policy, By::Joining] {
        for silent_for in [minutes(75), hours(5), days(27)] {
            on_every_store(async |site| {
                let mut ada = site.started(ada()).await;
                site.pass(silent_for);
                bind(&site, by, minutes(15)).await;
                assert_eq!(ada.turned_away_because().await, idle_by(by), "{silent_for}");
            })
            .await;
        }
    }
}

#[tokio::test]
async fn r08_whoever_was_recorded_under_a_limit_gets_no_allowance_for_it() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::idle(minutes(15))).await;
        let mut pair = site.started_twice(ada()).await;
        site.pass(minutes(10));
        // The allowance of the new version must not lengthen the old one, nor the other way round.
        site.set_policy("acme", OrgPolicy::idle(minutes(14))).await;
        site.ends_in(minutes(5), &mut pair, "idle acme").await;
    })
    .await;
}

async fn asks_every(site: &Site, ada: &mut Browser, interval: Duration, times: u32) {
    for time in 1..=times {
        site.pass(interval);
        assert!(ada.is_signed_in().await, "the {time}. time after {interval}");
    }
}

#[tokio::test]
async fn trap_35_a_relaxed_idle_limit_cuts_nobody_off_who_is_active() {
    let relaxed = [Some(OrgPolicy::idle(days(20))), Some(OrgPolicy::absolute(days(90))), None];
    for policy in relaxed {
        on_every_store(async |site| {
            site.set_policy("acme", OrgPolicy::idle(minutes(15))).await;
            let mut ada = site.started(ada()).await;
            asks_every(&site, &mut ada, minutes(1), 61).await;
            site.set_policy("acme", policy).await;
            asks_every(&site, &mut ada, minutes(1), 90).await;
            asks_every(&site, &mut ada, minutes(14), 10).await;
            asks_every(&site, &mut ada, hours(5), 10).await;
        })
        .await;
    }
}

#[tokio::test]
async fn trap_35_while_activity_cannot_be_recorded_the_next_request_tries_again() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::idle(minutes(15))).await;
        let mut ada = site.started(ada()).await;
        site.pass(minutes(5));
        site.set_policy("acme", OrgPolicy::idle(days(20))).await;
        site.store.break_only("touch", Fault::Fail);
        asks_every(&site, &mut ada, minutes(1), 9).await;
        site.store.mend();
        site.store.calls();
        asks_every(&site, &mut ada, seconds(1), 1).await;
        assert_eq!(site.store.calls(), ["load", "touch"]);
        asks_every(&site, &mut ada, days(19), 3).await;
    })
    .await;
}

#[tokio::test]
async fn trap_35_whoever_was_away_before_a_limit_was_relaxed_is_bound_by_it() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::idle(minutes(15))).await;
        let mut pair = site.started_twice(ada()).await;
        site.pass(minutes(10));
        site.set_policy("acme", OrgPolicy::idle(days(20))).await;
        site.ends_in(minutes(5), &mut pair, "idle acme").await;
    })
    .await;
}

#[tokio::test]
async fn r13_any_request_with_a_living_session_is_activity() {
    on_every_store(async |site| {
        let broken = get(async || StatusCode::INTERNAL_SERVER_ERROR);
        let router = site.router_with(Router::new().route("/broken", broken));
        let mut ada = site.started(ada()).await.at(&router);
        for (method, path, status) in [
            ("GET", "/", 200),
            ("HEAD", "/", 200),
            ("GET", "/about", 200),
            ("GET", "/landing", 200),
            ("GET", "/presence", 200),
            ("POST", "/presence", 200),
            ("GET", "/login", 200),
            ("GET", "/broken", 500),
            ("GET", "/nowhere", 404),
            ("DELETE", "/about", 405),
            ("OPTIONS", "/", 405),
        ] {
            site.pass(hours(1));
            let answer = ada.fetch(method, path).await;
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(site.record(&ada).await.last_seen(), site.now(), "{method} {path}");
        }
    })
    .await;
}

#[tokio::test]
async fn r13_what_comes_without_a_session_is_nobodys_activity() {
    on_every_store(async |site| {
        let mut ada = site.started(ada()).await;
        let superseded = ada.clone();
        ada.post("/rotate").await;
        let seen = site.now();
        site.pass(hours(1));
        assert!(!superseded.clone().is_signed_in().await);
        assert!(!site.browser().is_signed_in().await);
        let preflight = Request::builder().method("OPTIONS").uri("/");
        let preflight = preflight
            .header(header::ORIGIN, "https://app.example")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PUT")
            .body(Body::empty());
        ada.send(preflight.unwrap()).await;
        assert_eq!(site.record(&ada).await.last_seen(), seen);
    })
    .await;
}

#[tokio::test]
async fn trap_05_whoever_only_reads_stays_signed_in() {
    on_every_store_with(
        |builder| builder.limits(Limits::idle(days(1))),
        async |site| {
            let mut ada = site.started(ada()).await;
            for day in 1..=60 {
                site.pass(days(1) - MS);
                assert_eq!(ada.open("/about").await.status, 200);
                assert_eq!(ada.fetch("GET", "/presence").await.body, "live ada", "day {day}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn trap_16_30_days_shortened_to_7_are_over_on_day_7_and_never_extended() {
    on_every_store_with(
        |builder| builder.limits(Limits::idle(days(30))),
        async |site| {
            let mut early = site.started_twice(ada()).await;
            let late = site.started(ada()).await;
            site.pass(days(3));
            let shorter = site.deployed_with(|b| b.limits(Limits::idle(days(7))));
            early = early.map(|browser| browser.at(&shorter.router));
            let mut late = late.at(&shorter.router);
            site.ends_in(days(4), &mut early, "idle").await;
            site.pass(days(22));
            assert_eq!(late.turned_away_because().await, "idle", "on day 29");
            site.pass(days(6));
            assert!(!late.is_signed_in().await, "on day 35");
        },
    )
    .await;
}

#[tokio::test]
async fn trap_16_an_organizations_20_days_shortened_to_7_are_never_extended() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::idle(days(20))).await;
        let mut ada = site.started(ada()).await;
        site.pass(days(3));
        site.set_policy("acme", OrgPolicy::idle(days(7))).await;
        site.pass(days(16));
        site.set_policy("acme", OrgPolicy::idle(days(27))).await;
        assert_eq!(ada.turned_away_because().await, "idle acme");
    })
    .await;
}
