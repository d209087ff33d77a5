//! What happens while a request is on its way, and when nobody waits for its answer any more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE};
use axum::http::{Request, StatusCode};
use http_body_util::channel::Channel;
use tower::ServiceExt as _;
use tower_curfew::event::{Event, EventKind};
use tower_curfew::fresh_within;
use tower_curfew::{AtCap, ErrorKind, Limits, NewSession, OrgPolicy, Selector};

use crate::support::{
    AnyStore, Browser, Fault, Site, days, hours, on_every_store, on_every_store_with,
};

/// The request to issue a token, whose body is still on its way.
fn asks_for_a_token(ada: &Browser, body: Body) -> Request<Body> {
    Request::post("/account/tokens")
        .header(COOKIE, ada.cookie.as_deref().unwrap())
        .header(CONTENT_TYPE, "application/json")
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn r27_a_session_that_ends_while_it_asks_for_a_token_leaves_none_behind() {
    on_every_store(async |site| {
        for how in ["revoked", "rotated", "organization", "policy"] {
            let ada = site.signed_in("ada", &["acme"]).await;
            let (mut parts, body) = Channel::<Bytes>::new(1);
            let request = asks_for_a_token(&ada, Body::new(body));
            let asked = tokio::spawn(site.router.clone().oneshot(request));
            // There is room for one: the third is taken only when the first has been read.
            for part in [r#"{"name":"#, " ", " "] {
                parts.send_data(Bytes::from_static(part.as_bytes())).await.unwrap();
            }
            match how {
                "revoked" => {
                    site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap();
                }
                "rotated" => drop(ada.clone().post("/rotate").await),
                "organization" => site.revoke_org("acme").await,
                _ => {
                    site.pass(hours(2));
                    site.set_policy("acme", OrgPolicy::absolute(hours(1))).await;
                }
            }
            parts.send_data(Bytes::from_static(br#""laptop"}"#)).await.unwrap();
            drop(parts);
            let answer = asked.await.unwrap().unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{how}");
            let list = site.curfew.list("ada").await.unwrap();
            assert!(list.iter().all(|listed| listed.name().is_none()), "{how}");
            site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap();
            site.set_policy("acme", None).await;
        }
    })
    .await;
}

#[tokio::test]
async fn r29_a_token_never_takes_the_place_of_the_session_that_issues_it() {
    for (cap, status) in [(1, StatusCode::CONFLICT), (2, StatusCode::CREATED)] {
        let cap = |builder: tower_curfew::Builder| builder.at_most_per_user(cap, AtCap::EndOldest);
        on_every_store_with(cap, async |site| {
            let mut ada = site.signed_in("ada", &[]).await;
            for number in 0..2 {
                site.pass(hours(1));
                let mut request = asks_for_a_token(&ada, Body::from(r#"{"name":"laptop"}"#));
                request.headers_mut().remove(COOKIE);
                assert_eq!(ada.send(request).await.status, status, "{number}");
                assert!(ada.is_signed_in().await, "{number}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn r26_trap_43_one_record_that_cannot_be_read_keeps_no_other_from_ending() {
    on_every_store(async |site| {
        let damaged = site.signed_in("ada", &["acme"]).await;
        let mut browsers = Vec::new();
        for _ in 0..3 {
            browsers.push(site.signed_in("ada", &["acme"]).await);
        }
        site.store.garble_record(damaged.session());
        let error = site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "it says that one is left");
        for browser in &mut browsers {
            assert_eq!(browser.turned_away_because().await, "revoked");
        }
        assert_eq!(damaged.clone().open("/").await.status, 503, "nobody is let in with it");
        assert!(site.curfew.list("ada").await.is_err(), "nor is it left out in silence");
        site.store.mend();
        assert_eq!(site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r26_trap_43_where_the_rules_cannot_be_had_sessions_end_all_the_same() {
    for fault in [Fault::Fail, Fault::Hang] {
        let site = Site::new();
        let mut ada = site.signed_in("ada", &["acme"]).await;
        // This node does not know it yet.
        site.deployed_with(|builder| builder).revoke_org("globex").await;
        site.store.break_only("rules_since", fault);
        let asked = tokio::time::Instant::now();
        assert_eq!(site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap(), 1);
        assert!(asked.elapsed() <= Duration::from_millis(250), "{:?}", asked.elapsed());
        site.store.mend();
        assert_eq!(ada.turned_away_because().await, "revoked");
    }
}

#[tokio::test(start_paused = true)]
async fn r32_a_list_waits_no_longer_where_many_ends_cannot_be_written() {
    let site = Site::with(|builder| builder.limits(Limits::idle(hours(1))));
    for _ in 0..60 {
        site.started(NewSession::for_user("ada")).await;
    }
    site.pass(hours(1));
    site.store.break_only("end", Fault::Hang);
    let asked = tokio::time::Instant::now();
    assert!(site.curfew.list("ada").await.is_err());
    assert_eq!(asked.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn r32_a_check_waits_for_reading_and_writing_together_no_longer_than_the_timeout() {
    let site = Site::new();
    let mut ada = site.signed_in("ada", &[]).await;
    site.pass(days(28));
    let held = site.store.hold("load");
    site.store.break_only("end", Fault::Hang);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(900)).await;
        held.release();
    });
    let asked = tokio::time::Instant::now();
    assert_eq!(ada.open("/").await.status, 503);
    assert_eq!(asked.elapsed(), Duration::from_secs(1));
}

/// Whoever hangs up as soon as the store is at work must not act unseen.
#[tokio::test]
async fn who_hangs_up_is_told_of_all_the_same() {
    for (call, path) in [("end", "/logout"), ("insert", "/login?user=ada"), ("rotate", "/rotate")] {
        let told = Arc::new(Mutex::new(Vec::<Event>::new()));
        let hook = told.clone();
        let site = Site::over(AnyStore::memory(), |builder| {
            builder.on_event(move |event| hook.lock().unwrap().push(event.clone()))
        });
        let ada = site.signed_in("ada", &[]).await;
        told.lock().unwrap().clear();
        let mut held = site.store.hold(call);
        let mut browser = ada.clone();
        let asked = tokio::spawn(async move { browser.post(path).await });
        held.arrived().await;
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        held.release();
        while told.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let name = told.lock().unwrap()[0].kind.name();
        let expected = match call {
            "end" => "session.ended",
            "insert" => "session.started",
            _ => "session.renewed",
        };
        assert_eq!(name, expected);
    }
}

#[tokio::test]
async fn who_signs_in_is_the_actor_whoever_was_signed_in_before() {
    let told = Arc::new(Mutex::new(Vec::<Event>::new()));
    let hook = told.clone();
    let site = Site::with(|builder| {
        builder.on_event(move |event| hook.lock().unwrap().push(event.clone()))
    });
    let sign_in = async |curfew: tower_curfew::Curfew, client: tower_curfew::ClientInfo| {
        curfew.start(NewSession::for_user("grace"), &client).await
    };
    let more = axum::Router::new().route("/grace", axum::routing::post(sign_in));
    let mut browser = site.signed_in("ada", &[]).await.at(&site.router_with(more));
    browser.post("/grace").await;
    let events = told.lock().unwrap();
    let started = events.last().unwrap();
    assert!(matches!(&started.kind, EventKind::Started { user, .. } if **user == *"grace"));
    assert_eq!(started.actor.as_deref(), Some("grace"));
}

#[tokio::test]
async fn what_waits_to_be_purged_is_not_told_as_revoked() {
    let told = Arc::new(Mutex::new(Vec::<Event>::new()));
    let hook = told.clone();
    let site = Site::with(|builder| {
        let builder = builder.limits(Limits::idle(hours(1))).purge_by_hand();
        builder.on_event(move |event| hook.lock().unwrap().push(event.clone()))
    });
    site.signed_in("ada", &[]).await;
    site.pass(days(20));
    told.lock().unwrap().clear();
    assert!(site.curfew.list("ada").await.unwrap().is_empty());
    assert_eq!(*told.lock().unwrap(), []);
}

#[tokio::test]
async fn r30_paths_that_nobody_serves_need_no_fresh_sign_in() {
    let site = Site::new();
    let settings = axum::Router::new()
        .route("/settings", axum::routing::post(async || "saved"))
        .route_layer(fresh_within(hours(1)));
    let mut browser = site.browser().at(&site.router_with(settings));
    assert_eq!(browser.fetch("POST", "/settings").await.status, 401);
    assert_eq!(browser.fetch("POST", "/nowhere").await.status, 404);
}
