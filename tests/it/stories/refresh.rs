//! How often the cookie is sent, what carries it, and what it costs the store.

use std::sync::Arc;

use tokio::sync::Barrier;
use tower_curfew::{Limits, OrgPolicy};

use crate::support::{
    Browser, Fault, MS, Site, days, hours, is_quick, minutes, on_every_store, on_every_store_with,
};

fn fifteen_minutes() -> Limits {
    Limits::idle(minutes(15))
}

#[tokio::test]
async fn r07_the_default_keeps_whoever_comes_back_signed_in_for_a_year() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let (mut since_cookie, mut cookies) = (minutes(0), 0);
        let mut passed = minutes(0);
        let time = days(if is_quick() { 35 } else { 365 });
        while passed < time {
            site.pass(minutes(59));
            (passed, since_cookie) = (passed + minutes(59), since_cookie + minutes(59));
            let answer = ada.open("/").await;
            assert_eq!(answer.status, 200, "after {passed}");
            if !answer.set_cookies().is_empty() {
                assert!(hours(1) <= since_cookie, "two cookies within {since_cookie}");
                (since_cookie, cookies) = (minutes(0), cookies + 1);
            }
            assert!(since_cookie < hours(2), "no cookie for {since_cookie}");
        }
        assert!(cookies > 11 * time.whole_days(), "{cookies}");
    })
    .await;
}

#[tokio::test]
async fn r07_an_idle_limit_of_15_minutes_never_ends_whoever_asks_every_minute() {
    on_every_store_with(
        |builder| builder.limits(fifteen_minutes()),
        async |site| {
            let mut ada = site.signed_in("ada", &[]).await;
            let mut last_touch = None::<i64>;
            site.store.calls();
            for minute in 1..=8 * 60 {
                site.pass(minutes(1));
                assert!(ada.is_signed_in().await, "minute {minute}");
                if site.store.calls().contains(&"touch") {
                    let since = last_touch.map(|last| minutes(minute - last));
                    assert!(
                        since.is_none_or(|since| since * 2 >= minutes(3)),
                        "touched after {since:?}"
                    );
                    last_touch = Some(minute);
                }
            }
            assert_eq!(last_touch, Some(8 * 60));
        },
    )
    .await;
}

#[tokio::test]
async fn r07_each_browser_gets_its_cookie_once_an_hour() {
    on_every_store_with(
        |builder| builder.limits(fifteen_minutes()),
        async |site| {
            let laptop = site.signed_in("ada", &[]).await;
            site.pass(minutes(10));
            let phone = site.signed_in("ada", &[]).await;
            let mut browsers = [(laptop, 10, 0), (phone, 0, 0)];
            for minute in 1..=8 * 60 {
                site.pass(minutes(1));
                for (browser, since, cookies) in &mut browsers {
                    *since += 1;
                    let answer = browser.open("/").await;
                    if !answer.set_cookies().is_empty() {
                        assert!(60 <= *since, "minute {minute}: after {since}");
                        (*since, *cookies) = (0, *cookies + 1);
                    }
                    assert!(*since <= 62, "minute {minute}: none for {since}");
                }
            }
            let cookies = browsers.map(|(_, _, cookies)| cookies);
            assert_eq!(cookies, [8, 8]);
        },
    )
    .await;
}

#[tokio::test]
async fn r07_whoever_finds_newer_rules_is_recorded_at_once() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &["acme"]).await;
        let mut recorded = async |what: &str, calls: &[&str]| {
            site.pass(minutes(1));
            site.store.calls();
            assert!(ada.is_signed_in().await);
            assert_eq!(site.store.calls(), calls, "{what}");
            assert_eq!(site.record(&ada).await.last_seen(), site.now());
            site.pass(minutes(1));
            assert!(ada.is_signed_in().await);
            assert_eq!(site.store.calls(), ["load"], "{what}, once");
        };
        site.pass(minutes(10));
        site.set_policy("acme", OrgPolicy::idle(hours(5))).await;
        let with_rules = ["load", "rules_since", "touch"];
        recorded("a policy", &with_rules).await;
        site.set_policy("acme", OrgPolicy::idle(hours(20))).await;
        recorded("a longer one", &with_rules).await;
        site.set_policy("acme", None).await;
        recorded("none", &with_rules).await;
        site.curfew.set_orgs("ada", ["acme", "globex"]).await.unwrap();
        recorded("another organization", &["load", "touch"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r07_of_64_parallel_requests_one_is_recorded_and_carries_the_cookie() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        for hour in 1..=20 {
            site.pass(hours(1));
            site.store.calls();
            let start = Arc::new(Barrier::new(64));
            let tabs = (0..64).map(|_| {
                let (mut tab, start) = (ada.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    (tab.open("/").await, tab)
                })
            });
            let mut with_cookie = Vec::new();
            for tab in tabs.collect::<Vec<_>>() {
                let (answer, tab) = tab.await.unwrap();
                assert_eq!(answer.status, 200);
                if !answer.set_cookies().is_empty() {
                    with_cookie.push(tab);
                }
            }
            assert_eq!(with_cookie.len(), 1, "hour {hour}");
            assert_eq!(site.record(&ada).await.last_seen(), site.now());
            let calls = site.store.calls();
            let count = |name| calls.iter().filter(|call| **call == name).count();
            // Whoever comes too late to record it looks again, and not twice.
            assert_eq!(count("load"), 64 + count("touch") - 1, "{calls:?}");
            ada = with_cookie.remove(0);
        }
    })
    .await;
}

#[tokio::test]
async fn r07_a_request_costs_the_store_one_call_and_two_when_activity_is_due() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let mut rotated = ada.clone();
        assert_eq!(ada.post("/rotate").await.status, 200);
        let mut unknown = Site::new().signed_in("ada", &[]).await.at(&site.router);
        let mut forged = ada.clone();
        // The last character but one, since all bits of it count.
        let mut cookie = forged.cookie.take().unwrap().into_bytes();
        let at = cookie.len() - 2;
        cookie[at] = if cookie[at] == b'A' { b'B' } else { b'A' };
        forged.cookie = Some(String::from_utf8(cookie).unwrap());
        let mut nobody = site.browser();

        let costs = async |browser: &mut Browser, calls: &[&str]| {
            for path in ["/", "/landing", "/login", "/nowhere"] {
                site.store.calls();
                browser.open(path).await;
                assert_eq!(site.store.calls(), calls, "{path}");
            }
        };
        costs(&mut ada, &["load"]).await;
        costs(&mut rotated, &["load"]).await;
        costs(&mut unknown, &["load"]).await;
        costs(&mut forged, &[]).await;
        costs(&mut nobody, &[]).await;
        site.pass(hours(1));
        site.store.calls();
        assert!(ada.is_signed_in().await);
        assert_eq!(site.store.calls(), ["load", "touch"]);
        costs(&mut ada, &["load"]).await;
    })
    .await;
}

#[tokio::test]
async fn r10_a_cookie_that_was_lost_is_sent_again_after_both_intervals() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &["acme"]).await;
        site.pass(hours(1));
        let lost = ada.clone().open("/").await;
        assert_eq!(lost.set_cookies().len(), 1);
        // Activity is recorded out of turn, so that no touch is due when the cookie is overdue.
        site.pass(minutes(30));
        site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
        site.pass(MS);
        let lost = ada.clone().open("/").await;
        assert_eq!(lost.set_cookies().len(), 1);

        site.pass(minutes(30) - MS - MS);
        site.store.calls();
        assert_eq!(ada.open("/").await.set_cookies(), [""; 0]);
        assert_eq!(site.store.calls(), ["load"]);
        site.pass(MS);
        let mut tab = ada.clone();
        for browser in [&mut ada, &mut tab] {
            assert_eq!(browser.open("/").await.set_cookies().len(), 1);
        }
        assert_eq!(site.store.calls(), ["load", "load"], "without a touch");
        assert_eq!(ada.open("/").await.set_cookies(), [""; 0], "it has a new one");
    })
    .await;
}

#[tokio::test]
async fn r10_an_overdue_cookie_is_sent_even_if_activity_cannot_be_recorded() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        site.store.break_only("touch", Fault::Fail);
        site.pass(hours(2) - MS);
        assert_eq!(ada.open("/").await.set_cookies(), [""; 0]);
        site.pass(MS);
        assert_eq!(ada.open("/").await.set_cookies().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn r11_refreshing_keeps_the_secret_so_that_no_tab_loses() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let mut old_tab = ada.clone();
        for _ in 0..48 {
            site.pass(hours(1));
            assert_eq!(ada.open("/").await.set_cookies().len(), 1);
        }
        assert_ne!(ada.cookie, old_tab.cookie);
        assert!(old_tab.is_signed_in().await, "after two days, with the first cookie");
        assert!(ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r11_a_new_secret_kills_the_old_one_at_once() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        for (path, then) in [
            ("/rotate", "anonymous"),
            ("/again", "anonymous"),
            ("/login?user=ada", "ended revoked -"),
        ] {
            let mut old = ada.clone();
            ada.post(path).await;
            assert_ne!(ada.cookie, old.cookie, "{path}");
            assert!(ada.is_signed_in().await, "{path}");
            assert_eq!(old.fetch("GET", "/presence").await.body, then, "{path}");
        }
    })
    .await;
}
