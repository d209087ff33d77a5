//! At most so many sessions per user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use time::Duration;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tower_curfew::{AtCap, Builder, ClientInfo, ErrorKind, NewSession, OrgPolicy};

use crate::support::{Browser, MS, Site, days, hours, is_long, on_every_store_with};

fn at_most(sessions: u32, overflow: AtCap) -> impl Fn(Builder) -> Builder {
    move |builder| builder.at_most_per_user(sessions, overflow).timeout(Duration::MINUTE)
}

async fn living(site: &Site) -> usize {
    site.curfew.list("ada").await.unwrap().len()
}

async fn is_refused(site: &Site) {
    let mut browser = site.browser();
    let answer = browser.post("/login?user=ada").await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert_eq!(browser.cookie, None);
}

/// 64 sign-ins of ada at the same moment, while somebody counts; says how many were let in.
async fn a_rush_of_64(site: &Site, cap: usize) -> usize {
    let start = Arc::new(Barrier::new(65));
    let over = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (curfew, start, over) = (site.curfew.clone(), start.clone(), over.clone());
        tokio::spawn(async move {
            start.wait().await;
            while !over.load(Ordering::SeqCst) {
                let living = curfew.list("ada").await.unwrap().len();
                assert!(living <= cap, "{living} are alive");
                tokio::task::yield_now().await;
            }
        })
    };
    let sign_ins = (0..64).map(|_| {
        let (mut browser, start) = (site.browser(), start.clone());
        tokio::spawn(async move {
            start.wait().await;
            browser.post("/login?user=ada").await.status
        })
    });
    let mut let_in = 0;
    for sign_in in sign_ins.collect::<Vec<_>>() {
        match sign_in.await.unwrap() {
            StatusCode::SEE_OTHER => let_in += 1,
            StatusCode::CONFLICT => {}
            other => panic!("{other}"),
        }
    }
    over.store(true, Ordering::SeqCst);
    watcher.await.unwrap();
    let_in
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_trap_13_64_parallel_sign_ins_never_leave_one_more_where_the_oldest_ends() {
    on_every_store_with(at_most(5, AtCap::EndOldest), async |site| {
        let mut first = site.signed_in("ada", &[]).await;
        site.pass(MS);
        for _ in 0..if is_long() { 5 } else { 3 } {
            assert_eq!(a_rush_of_64(&site, 5).await, 64, "nobody is refused");
            assert_eq!(living(&site).await, 5);
            site.pass(MS);
        }
        assert_eq!(first.turned_away_because().await, "revoked");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_trap_13_64_parallel_sign_ins_never_leave_one_more_where_they_are_refused() {
    on_every_store_with(at_most(5, AtCap::Refuse), async |site| {
        let mut first = site.signed_in("ada", &[]).await;
        assert_eq!(a_rush_of_64(&site, 5).await, 4);
        for _ in 0..4 {
            assert_eq!(a_rush_of_64(&site, 5).await, 0);
            assert_eq!(living(&site).await, 5);
        }
        assert!(first.is_signed_in().await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_tokens_count_under_the_cap() {
    for overflow in [AtCap::EndOldest, AtCap::Refuse] {
        on_every_store_with(at_most(5, overflow), async |site| {
            let start = Arc::new(Barrier::new(33));
            let starts = (0..32).map(|n| {
                let (curfew, start) = (site.curfew.clone(), start.clone());
                let new = NewSession::for_user("ada").named(n.to_string());
                tokio::spawn(async move {
                    start.wait().await;
                    match n % 2 {
                        0 => curfew.operator("tests").issue_token(new).await.map(drop),
                        _ => curfew.start(new, &ClientInfo::for_tests()).await.map(drop),
                    }
                })
            });
            let starts: Vec<_> = starts.collect();
            start.wait().await;
            while !starts.iter().all(JoinHandle::is_finished) {
                assert!(living(&site).await <= 5);
                tokio::task::yield_now().await;
            }
            let mut let_in = 0;
            for started in starts {
                match started.await.unwrap() {
                    Ok(()) => let_in += 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TooManySessions),
                }
            }
            let expected = if overflow == AtCap::Refuse { 5 } else { 32 };
            assert_eq!((let_in, living(&site).await), (expected, 5));
        })
        .await;
    }
}

#[tokio::test]
async fn r29_the_session_with_the_oldest_sign_in_ends() {
    on_every_store_with(at_most(3, AtCap::EndOldest), async |site| {
        let mut browsers = Vec::<Browser>::new();
        for count in 0..7 {
            browsers.push(site.signed_in("ada", &[]).await);
            site.signed_in("grace", &[]).await;
            site.pass(hours(2));
            for (at, browser) in browsers.iter().enumerate() {
                // Activity, also of the oldest, does not make it younger.
                let alive = browser.clone().is_signed_in().await;
                assert_eq!(alive, count < at + 3, "{at} of {count}");
            }
        }
        assert_eq!(living(&site).await, 3);
        assert_eq!(site.curfew.list("grace").await.unwrap().len(), 3);
        assert_eq!(browsers[3].turned_away_because().await, "revoked");
    })
    .await;
}

#[tokio::test]
async fn r29_who_is_refused_ends_one_and_comes_in() {
    on_every_store_with(at_most(2, AtCap::Refuse), async |site| {
        let mut laptop = site.signed_in("ada", &[]).await;
        let mut phone = site.signed_in("ada", &[]).await;
        is_refused(&site).await;
        site.signed_in("grace", &[]).await;
        assert!(laptop.is_signed_in().await && phone.is_signed_in().await);

        laptop.sign_in("ada", &[]).await;
        assert_eq!(living(&site).await, 2, "it has taken the place of its own");
        is_refused(&site).await;
        phone.post("/logout").await;
        phone.sign_in("ada", &[]).await;
        is_refused(&site).await;
    })
    .await;
}

#[tokio::test]
async fn r29_somebody_elses_session_in_this_browser_makes_no_room() {
    on_every_store_with(at_most(1, AtCap::Refuse), async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let mut grace = site.signed_in("grace", &[]).await;
        let answer = grace.post("/login?user=ada").await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(grace.is_signed_in().await, "nothing was replaced");
        assert!(ada.is_signed_in().await);
    })
    .await;
}

/// Makes the sessions in acme be over, without anybody noticing, and keeps this browser's alive.
async fn end_silently(site: &Site, how: &str, keeps: Option<&mut Browser>) {
    let weeks = match how {
        "idleness" => 4,
        "idleness, to be purged" => 6,
        "policy" => 2,
        "revocation" => 0,
        other => panic!("{other}?"),
    };
    let mut keeps = keeps;
    for _ in 0..weeks {
        site.pass(days(7));
        if let Some(browser) = &mut keeps {
            assert!(browser.is_signed_in().await);
        }
    }
    match how {
        "policy" => site.set_policy("acme", OrgPolicy::absolute(days(7))).await,
        "revocation" => site.revoke_org("acme").await,
        _ => {}
    }
}

async fn nobody_is_locked_out(how: &str) {
    on_every_store_with(at_most(2, AtCap::Refuse), async |site| {
        for _ in 0..2 {
            site.started(NewSession::for_user("ada").orgs(["acme"])).await;
        }
        is_refused(&site).await;
        end_silently(&site, how, None).await;
        let mut one = site.signed_in("ada", &[]).await;
        let mut other = site.signed_in("ada", &[]).await;
        is_refused(&site).await;
        assert!(one.is_signed_in().await && other.is_signed_in().await, "{how}");
    })
    .await;
}

async fn nobody_is_displaced(how: &str) {
    on_every_store_with(at_most(2, AtCap::EndOldest), async |site| {
        let mut oldest = site.signed_in("ada", &[]).await;
        site.pass(MS);
        site.started(NewSession::for_user("ada").orgs(["acme"])).await;
        end_silently(&site, how, Some(&mut oldest)).await;
        let mut new = site.signed_in("ada", &[]).await;
        assert!(new.is_signed_in().await && oldest.is_signed_in().await, "{how}");
        site.pass(MS);
        site.signed_in("ada", &[]).await;
        assert_eq!(oldest.turned_away_because().await, "revoked", "{how}");
    })
    .await;
}

#[tokio::test]
async fn r29_trap_36_sessions_that_are_over_neither_lock_out_nor_displace() {
    for how in ["idleness", "policy", "revocation"] {
        nobody_is_locked_out(how).await;
        nobody_is_displaced(how).await;
    }
}

#[tokio::test]
async fn r29_trap_36_sessions_that_wait_to_be_purged_lock_nobody_out() {
    nobody_is_locked_out("idleness, to be purged").await;
}

#[tokio::test]
async fn r29_trap_36_sessions_that_wait_to_be_purged_displace_nobody() {
    nobody_is_displaced("idleness, to be purged").await;
}
