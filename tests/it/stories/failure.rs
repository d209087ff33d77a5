//! What happens when the store does not know: nobody is let in, and nobody is signed out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::any;
use time::Duration;
use tokio::time::Instant;
use tower_curfew::clock::{Clock as _, ManualClock};
use tower_curfew::store::MemoryStore;
use tower_curfew::{AtCap, ClientInfo, Curfew, Error, ErrorKind, Limits, NewSession, Selector};

use crate::support::{
    Answer, AnyStore, Browser, Fault, MS, Site, days, hours, minutes, on_every_store, routes,
};

/// Each way in which a store does not know.
const FAULTS: [fn(&Site); 6] = [
    |site| site.store.break_all(Fault::Fail),
    |site| site.store.break_all(Fault::Hang),
    |site| site.store.break_only("load", Fault::Fail),
    |site| site.store.garble_rules(),
    |site| site.store.tell_time(site.clock.now() + Duration::seconds(61)),
    |site| site.store.tell_time(site.clock.now() - Duration::seconds(61)),
];

fn is_503(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!((answer.set_cookies(), answer.header("location")), (vec![], ""));
}

/// A router in each mode, all of whose handlers count.
fn modes(site: &Site) -> ([Router; 3], Arc<AtomicUsize>) {
    async fn count(State(handled): State<Arc<AtomicUsize>>) {
        handled.fetch_add(1, Ordering::Relaxed);
    }
    let handled = Arc::<AtomicUsize>::default();
    let layer = site.curfew.layer().open(["/open/*"]);
    let router =
        |layer| Router::new().fallback(any(count)).layer(layer).with_state(handled.clone());
    let routers = [layer.clone(), layer.clone().required(), layer.optional()].map(router);
    (routers, handled)
}

#[tokio::test(start_paused = true)]
async fn r32_trap_11_a_store_that_does_not_know_lets_nobody_in_and_signs_nobody_out() {
    for fault in FAULTS {
        let site = Site::new();
        let mut ada = site.signed_in("ada", &["acme"]).await;
        // Both the touch and the cookie are due.
        site.pass(hours(2));
        let (routers, handled) = modes(&site);
        fault(&site);
        site.store.calls();
        for router in &routers {
            for path in ["/", "/login", "/open/a", "/nowhere"] {
                is_503(&ada.at(router).open(path).await);
                is_503(&ada.at(router).post(path).await);
                is_503(&ada.at(router).fetch("GET", path).await);
            }
        }
        assert_eq!(handled.load(Ordering::Relaxed), 0);
        let mut calls = site.store.calls();
        calls.retain(|call| *call != "rules_since");
        assert_eq!(calls, vec!["load"; 3 * 4 * 3], "nothing is written");
        site.store.mend();
        assert_eq!(ada.open("/").await.set_cookies().len(), 1, "it was due all the time");
        assert!(ada.is_signed_in().await);
    }
}

#[tokio::test]
async fn r32_who_comes_without_a_session_does_not_notice() {
    let site = Site::new();
    let (routers, handled) = modes(&site);
    site.store.break_all(Fault::Fail);
    for router in &routers {
        let mut anybody = Browser::new(router.clone());
        assert_eq!(anybody.open("/login").await.status, 200);
        anybody.cookie = Some("__Host-Http-session=x".to_owned());
        assert_eq!(anybody.open("/open/a").await.status, 200);
    }
    assert_eq!(handled.load(Ordering::Relaxed), 6);
}

#[tokio::test(start_paused = true)]
async fn r32_trap_12_a_store_that_hangs_is_answered_for_within_the_timeout() {
    for (timeout, site) in [
        (Duration::SECOND, Site::new()),
        (Duration::milliseconds(250), Site::with(|b| b.timeout(Duration::milliseconds(250)))),
    ] {
        let mut ada = site.signed_in("ada", &[]).await;
        site.store.break_all(Fault::Hang);
        for path in ["/", "/login", "/presence"] {
            let asked = Instant::now();
            is_503(&ada.open(path).await);
            assert_eq!(asked.elapsed(), timeout.unsigned_abs());
        }
        let asked = Instant::now();
        is_503(&site.browser().post("/login?user=ada").await);
        assert_eq!(asked.elapsed(), timeout.unsigned_abs());
        site.store.mend();
        assert!(ada.is_signed_in().await);
    }
}

#[tokio::test]
async fn r32_clocks_may_differ_by_a_minute_and_not_by_more() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        for sign in [1, -1] {
            site.store.tell_time(site.clock.now() + minutes(1) * sign);
            assert!(ada.is_signed_in().await);
            site.store.tell_time(site.clock.now() + (minutes(1) + MS) * sign);
            is_503(&ada.open("/").await);
        }
    })
    .await;
}

/// A node that lives a year ahead takes everybody for idle.
#[tokio::test]
async fn r32_a_node_with_a_wrong_clock_writes_nobody_as_ended_whatever_it_is_asked() {
    async fn list(curfew: &Curfew) -> Result<(), Error> {
        curfew.list("ada").await.map(drop)
    }
    async fn set_orgs(curfew: &Curfew) -> Result<(), Error> {
        curfew.set_orgs("ada", ["acme"]).await
    }
    async fn revoke(curfew: &Curfew) -> Result<(), Error> {
        curfew.operator("tests").revoke(Selector::user("ada")).await.map(drop)
    }
    async fn sign_in(curfew: &Curfew) -> Result<(), Error> {
        let new = NewSession::for_user("ada");
        curfew.start(new, &ClientInfo::for_tests()).await.map(drop)
    }
    let mut wrong = Vec::new();
    for what in ["list", "set_orgs", "revoke", "sign_in"] {
        let site = Site::with(|builder| builder.at_most_per_user(1, AtCap::Refuse));
        let mut ada = site.signed_in("ada", &[]).await;
        let now = site.clock.now();
        site.pass(days(30));
        site.store.tell_time(now);
        site.store.calls();
        let refused = match what {
            "list" => list(&site.curfew).await,
            "set_orgs" => set_orgs(&site.curfew).await,
            "revoke" => revoke(&site.curfew).await,
            _ => sign_in(&site.curfew).await,
        };
        let refused = refused.is_err_and(|error| error.kind() == ErrorKind::Unavailable);
        let calls = site.store.calls();
        site.clock.set(now);
        site.store.mend();
        if !ada.is_signed_in().await || !refused {
            wrong.push((what, calls));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn r32_signing_in_and_out_says_so_and_changes_nothing() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        for fault in [Fault::Fail] {
            for (call, path) in [
                ("insert", "/login?user=ada"),
                ("end", "/logout"),
                ("rotate", "/rotate"),
                ("rotate", "/again"),
            ] {
                site.store.break_only(call, fault);
                let answer = ada.post(path).await;
                is_503(&answer);
                assert_eq!(answer.header("content-type"), "application/problem+json");
                site.store.mend();
                assert!(ada.is_signed_in().await, "{path}");
            }
        }
        assert_eq!(site.curfew.list("ada").await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r32_every_call_of_the_handle_is_answered_within_the_timeout() {
    let site = Site::with(|builder| builder.at_most_per_user(3, AtCap::EndOldest));
    site.signed_in("ada", &[]).await;
    site.store.break_all(Fault::Hang);
    let client = ClientInfo::for_tests();
    let asked = Instant::now();
    let curfew = &site.curfew;
    for kind in [
        curfew.start(NewSession::for_user("ada"), &client).await.unwrap_err().kind(),
        curfew.list("ada").await.unwrap_err().kind(),
        curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap_err().kind(),
        curfew.set_orgs("ada", ["acme"]).await.unwrap_err().kind(),
        curfew.purge().await.unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::Unavailable);
    }
    assert_eq!(asked.elapsed(), std::time::Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn r32_a_sign_out_or_a_new_secret_waits_no_longer_where_the_session_has_changed_since() {
    for change in ["end", "rotate"] {
        let site = Site::new();
        let mut ada = site.signed_in("ada", &[]).await;
        let session = site.session(&ada).await;
        site.pass(hours(2));
        assert!(ada.is_signed_in().await, "and that is recorded");
        for call in [change, "load"] {
            let mut held = site.store.hold(call);
            tokio::spawn(async move {
                held.arrived().await;
                tokio::time::sleep(std::time::Duration::from_millis(600)).await;
                held.release();
            });
        }
        let asked = Instant::now();
        let answer = match change {
            "end" => site.curfew.end(&session).await,
            _ => site.curfew.rotate(&session).await,
        };
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable, "{change}");
        assert_eq!(asked.elapsed(), std::time::Duration::from_secs(1), "{change}");
    }
}

#[tokio::test(start_paused = true)]
async fn r33_a_touch_that_fails_fails_no_request_and_is_tried_again_by_the_next() {
    for fault in [Fault::Fail, Fault::Hang] {
        let site = Site::with(|builder| builder.limits(Limits::idle(hours(10))));
        let mut ada = site.signed_in("ada", &[]).await;
        site.pass(hours(9));
        site.store.break_only("touch", fault);
        site.store.calls();
        for _ in 0..2 {
            let answer = ada.open("/").await;
            assert_eq!((answer.status.as_u16(), &*answer.body), (200, "hello ada"));
            assert_eq!(site.store.calls(), ["load", "touch"]);
        }
        site.store.mend();
        assert!(ada.is_signed_in().await);
        assert_eq!(site.store.calls(), ["load", "touch"]);
        assert!(ada.is_signed_in().await);
        assert_eq!(site.store.calls(), ["load"], "it is recorded");
        site.pass(hours(9));
        assert!(ada.is_signed_in().await, "for this it had to be recorded");
    }
}

#[tokio::test(start_paused = true)]
async fn r05_r32_nobody_is_told_of_an_end_that_could_not_be_written_down() {
    for fault in [Fault::Fail, Fault::LoseAnswer, Fault::Hang] {
        let site = Site::new();
        let ada = site.signed_in("ada", &[]).await;
        site.pass(days(28));
        site.store.break_only("end", fault);
        is_503(&ada.clone().open("/").await);
        if fault == Fault::LoseAnswer {
            // It was written, so whoever looks next finds it.
            assert_eq!(ada.clone().turned_away_because().await, "idle");
            continue;
        }
        is_503(&ada.clone().fetch("GET", "/").await);
        // Somebody who can write may have been told of activity meanwhile: nothing is certain yet.
        site.store.mend();
        assert_eq!(ada.clone().turned_away_because().await, "idle");
    }
}

#[tokio::test(start_paused = true)]
async fn r05_the_absolute_end_of_a_session_itself_needs_no_writing_down() {
    for fault in [Fault::Fail, Fault::Hang] {
        let site = Site::with(|builder| builder.limits(Limits::absolute(hours(9))));
        let ada = site.signed_in("ada", &[]).await;
        site.pass(hours(9));
        site.store.break_only("end", fault);
        is_503(&ada.clone().open("/").await);
        site.pass(minutes(2));
        for _ in 0..2 {
            assert_eq!(ada.clone().turned_away_because().await, "absolute", "nothing can move it");
        }
        site.store.mend();
        assert_eq!(ada.clone().turned_away_because().await, "absolute");
    }
}

/// Each node is within a minute of the store, one ahead of it, and one behind.
#[tokio::test]
async fn r05_nobody_is_told_of_an_absolute_end_and_then_let_in_where_the_clock_is_behind() {
    let site = Site::with(|builder| builder.limits(Limits::absolute(hours(9))));
    let ahead = ManualClock::default();
    let node = site.beside(ahead.clone(), |builder| builder.limits(Limits::absolute(hours(9))));
    let ada = site.signed_in("ada", &[]).await;
    site.pass(hours(9) - minutes(1));
    ahead.set(site.clock.now() + minutes(2) - MS);
    site.store.break_only("end", Fault::Fail);
    is_503(&ada.at(&node.router).open("/").await);
    assert!(ada.clone().is_signed_in().await, "here it is not over");
    site.pass(minutes(1));
    is_503(&ada.clone().open("/").await);
    ahead.set(site.clock.now() + minutes(2));
    assert_eq!(ada.at(&node.router).turned_away_because().await, "absolute");
}

#[tokio::test]
async fn r37_a_memory_store_that_is_full_refuses_sign_ins_until_there_is_room() {
    let store = AnyStore::Memory(MemoryStore::with_capacity(2));
    let site = Site::over(store, |builder| builder.limits(Limits::absolute(hours(1))));
    let (mut ada, mut grace) =
        (site.signed_in("ada", &[]).await, site.signed_in("grace", &[]).await);
    is_503(&site.browser().post("/login?user=mary").await);
    assert!(ada.is_signed_in().await && grace.is_signed_in().await, "nobody made room");
    // An hour of life, and the grace.
    site.pass(hours(1) + days(7) - MS);
    is_503(&site.browser().post("/login?user=mary").await);
    site.pass(MS);
    assert!(site.signed_in("mary", &[]).await.is_signed_in().await);
    assert_eq!(ada.open("/presence").await.body, "anonymous");
}

#[tokio::test]
async fn r37_a_list_shows_the_newest_thousand() {
    let site = Site::new();
    let client = ClientInfo::for_tests();
    for n in 0..1_003 {
        let new = NewSession::for_user("ada").named(n.to_string());
        drop(site.curfew.start(new, &client).await.unwrap());
        site.pass(MS);
    }
    let list = site.curfew.list("ada").await.unwrap();
    let names: Vec<_> = list.iter().map(|session| session.name().unwrap()).collect();
    let newest = (3..1_003).rev().map(|n| n.to_string());
    assert!(newest.eq(names), "{}", list.len());
}

#[tokio::test]
async fn r37_names_that_are_too_long_are_refused_and_of_a_user_agent_512_bytes_are_kept() {
    on_every_store(async |site| {
        let name = |len: usize| "é".repeat(len / 2) + &"x".repeat(len % 2);
        let sign_in = async |user: &str, org: &str| {
            let query = |text: &str| -> String {
                form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            site.browser().post(&format!("/login?user={}&org={}", query(user), query(org))).await
        };
        assert_eq!(sign_in(&name(512), &name(512)).await.status, 303);
        let (long, empty, nul) = (name(513), String::new(), "a\0b".to_owned());
        for bad in [&long, &empty, &nul] {
            for answer in [sign_in(bad, "acme").await, sign_in("ada", bad).await] {
                assert_eq!(answer.status, 422, "{answer:?}");
                assert!(answer.body.contains("must have 1 to 512 bytes and no NUL"));
                assert_eq!(answer.set_cookies(), [""; 0]);
            }
            let refused = site.curfew.set_orgs("ada", [bad]).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidName);
            let named = NewSession::for_user("ada").named(bad);
            let refused = site.curfew.start(named, &ClientInfo::for_tests()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidName);
        }
        assert!(site.curfew.list("ada").await.unwrap().is_empty());

        let mut request = crate::support::navigation("POST", "/login?user=ada");
        let agent = format!("é{}", "x".repeat(10_000)).parse().unwrap();
        request.headers_mut().insert("user-agent", agent);
        let mut ada = site.browser();
        ada.send(request).await;
        let list = site.curfew.list("ada").await.unwrap();
        let agent = list[0].client().agent.unwrap();
        assert!(agent.len() == 512 && agent.starts_with("éx"), "{agent}");
    })
    .await;
}

#[tokio::test]
async fn r32_the_modes_differ_only_while_the_store_answers() {
    let site = Site::new();
    let mut ada = site.signed_in("ada", &[]).await;
    let optional = routes().layer(site.curfew.layer().optional()).with_state(site.curfew.clone());
    site.store.break_all(Fault::Fail);
    is_503(&ada.at(&optional).open("/landing").await);
    site.store.mend();
    assert_eq!(ada.at(&optional).open("/landing").await.body, "hello ada");
    assert!(ada.is_signed_in().await);
}
