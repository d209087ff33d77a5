//! A cache in front of the store: what it saves, and what it never costs.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};
use tower_curfew::store::Near;
use tower_curfew::{ErrorKind, Limits, NewSession, OrgPolicy, Selector};

use crate::support::{
    AnyStore, Browser, Site, WatchFault, at_once, days, hours, is_long, minutes, on_every_store,
    seconds,
};

/// The longest that a node may go on as before.
const BOUND: Duration = Duration::from_secs(2);

/// Lets a node learn how the store stands.
const HEARTBEAT: Duration = Duration::from_millis(600);

impl Site {
    /// Such a browser, which this node knows.
    async fn knows(&self, browser: &Browser) -> Browser {
        let mut here = browser.at(&self.router);
        assert!(here.is_signed_in().await);
        sleep(HEARTBEAT).await;
        assert!(here.is_signed_in().await);
        self.store.calls();
        here
    }
}

/// For how long a session goes on that has ended elsewhere.
async fn outlives(browser: &Browser) -> Duration {
    let ended = Instant::now();
    while browser.clone().is_signed_in().await {
        sleep(Duration::from_millis(1)).await;
        assert!(ended.elapsed() <= 4 * BOUND, "it goes on and on");
    }
    ended.elapsed()
}

#[tokio::test]
async fn r41_most_requests_need_no_store() {
    on_every_store(async |site| {
        if !site.tells_changes().await {
            return;
        }
        let near = site.near(Near::default()).await;
        let mut ada = near.knows(&site.signed_in("ada", &["acme"]).await).await;
        for _ in 0..100 {
            assert!(ada.is_signed_in().await);
        }
        assert_eq!(near.store.calls(), [""; 0]);
        assert_eq!(ada.open("/presence").await.body, "live ada");
        assert_eq!(near.store.calls(), ["load"], "that route is not to go by what is cached");
    })
    .await;
}

/// Whatever ends a session on another node ends it here, too: soon after that, and at the latest when the
/// bound is over.
#[tokio::test]
async fn r41_what_is_done_on_another_node_is_effective_here_within_the_bound() {
    on_every_store(async |site| {
        if !site.tells_changes().await {
            return;
        }
        let near = site.near(Near::default()).await;
        let operator = site.curfew.operator("tests");
        let new = || NewSession::for_user("ada").orgs(["acme"]);

        let ada = site.started(new()).await;
        let mut here = near.knows(&ada).await;
        ada.at(&site.router).post("/logout").await;
        assert!(outlives(&here).await < BOUND);
        assert_eq!(here.turned_away_because().await, "revoked");

        let ada = site.started(new()).await;
        let here = near.knows(&ada).await;
        operator.revoke(Selector::user("ada")).await.unwrap();
        assert!(outlives(&here).await < BOUND);

        let here = near.knows(&site.started(new()).await).await;
        operator.revoke_org("acme").await.unwrap();
        assert!(outlives(&here).await < BOUND);

        let here = near.knows(&site.started(new()).await).await;
        operator.revoke_everyone().await.unwrap();
        assert!(outlives(&here).await < BOUND);

        let mut here = near.knows(&site.started(new()).await).await;
        site.pass(minutes(30));
        operator.set_policy("acme", OrgPolicy::absolute(minutes(20))).await.unwrap();
        assert!(outlives(&here).await < BOUND);
        assert_eq!(here.turned_away_because().await, "absolute acme");
    })
    .await;
}

/// Whatever becomes of the way on which changes are told.
#[tokio::test(start_paused = true)]
async fn r41_a_change_that_is_not_told_is_effective_within_the_bound() {
    for fault in [WatchFault::Cut, WatchFault::Swallow] {
        for by_rules in [false, true] {
            let site = Site::new();
            let near = site.near(Near::default()).await;
            let ada = site.signed_in("ada", &["acme"]).await;
            let here = near.knows(&ada).await;
            near.store.break_watch(fault);
            if by_rules {
                site.revoke_org("acme").await;
            } else {
                ada.at(&site.router).post("/logout").await;
            }
            let outlived = outlives(&here).await;
            assert!(outlived <= BOUND, "{fault:?}: {outlived:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r41_while_changes_are_not_told_the_store_is_asked() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    let mut here = near.knows(&site.signed_in("ada", &[]).await).await;
    near.store.break_watch(WatchFault::Swallow);
    sleep(BOUND).await;
    near.store.calls();
    for _ in 0..10 {
        assert!(here.is_signed_in().await);
    }
    let loads = near.store.calls().iter().filter(|call| **call == "load").count();
    assert_eq!(loads, 10);

    near.store.mend();
    sleep(BOUND).await;
    assert!(here.is_signed_in().await);
    near.store.calls();
    assert!(here.is_signed_in().await);
    assert_eq!(near.store.calls(), [""; 0], "it has caught up");

    let unable = site.near(Near::default()).await;
    unable.store.break_watch(WatchFault::Unable);
    let mut here = here.at(&unable.router);
    for _ in 0..10 {
        assert!(here.is_signed_in().await);
        sleep(HEARTBEAT).await;
    }
    let loads = unable.store.calls().iter().filter(|call| **call == "load").count();
    assert_eq!(loads, 10, "a store that tells no changes is asked each time");
}

#[tokio::test(start_paused = true)]
async fn r41_what_a_node_does_itself_is_effective_there_at_once() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    let mut here = near.knows(&site.signed_in("ada", &["acme"]).await).await;
    near.store.break_watch(WatchFault::Swallow);
    here.clone().post("/logout").await;
    assert!(!here.is_signed_in().await);

    near.store.mend();
    let mut here = near.knows(&site.signed_in("ada", &["acme"]).await).await;
    near.store.break_watch(WatchFault::Swallow);
    near.revoke_org("acme").await;
    assert!(!here.is_signed_in().await);
}

/// Nobody is turned away by what is cached.
#[tokio::test(start_paused = true)]
async fn r41_a_cache_that_is_behind_turns_nobody_away() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    let mut ada = site.signed_in("ada", &[]).await;
    let mut here = near.knows(&ada).await;
    near.store.break_watch(WatchFault::Swallow);
    ada.post("/rotate").await;
    assert!(ada.at(&near.router).is_signed_in().await, "it has the new secret");
    assert!(!here.is_signed_in().await, "it has the old one");

    let mut ada = site.signed_in("ada", &[]).await;
    let mut here = near.knows(&ada).await;
    site.pass(days(20));
    assert!(ada.is_signed_in().await);
    site.pass(days(20));
    assert!(here.is_signed_in().await, "somebody was active on another node");
}

#[tokio::test(start_paused = true)]
async fn r39_what_is_done_in_the_name_of_a_session_asks_the_store() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    let ada = site.signed_in("ada", &["acme"]).await;
    let mut here = near.knows(&ada).await;
    let session = near.session(&here).await;
    near.store.break_watch(WatchFault::Swallow);
    ada.at(&site.router).post("/logout").await;
    assert!(here.is_signed_in().await, "it has not heard of it yet");

    let issued = near.curfew.issue_token(&session, NewSession::for_user("ada")).await;
    assert_eq!(issued.unwrap_err().kind(), ErrorKind::SignInRequired);
    let policy = OrgPolicy::absolute(hours(1));
    let set = near.curfew.set_policy(&session, "acme", policy).await;
    assert_eq!(set.unwrap_err().kind(), ErrorKind::SignInRequired);
    let revoked = near.curfew.revoke(&session, Selector::user("ada")).await;
    assert_eq!(revoked.unwrap_err().kind(), ErrorKind::SignInRequired);
}

#[tokio::test(start_paused = true)]
async fn r07_activity_is_recorded_as_without_a_cache() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    let mut here = near.knows(&site.signed_in("ada", &[]).await).await;
    for _ in 0..10 {
        site.pass(hours(1) + seconds(1));
        let refreshed = here.open("/").await;
        assert_eq!(refreshed.set_cookies().len(), 1);
        assert!(here.is_signed_in().await);
        assert!(here.is_signed_in().await);
    }
    let calls = near.store.calls();
    assert_eq!(calls.iter().filter(|call| **call == "touch").count(), 10, "{calls:?}");
}

/// The store's clock comes with its heartbeats.
#[tokio::test(start_paused = true)]
async fn r32_a_node_whose_clock_is_wrong_lets_nobody_in_by_its_cache_either() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    near.store.tell_time(site.now());
    let mut here = near.knows(&site.signed_in("ada", &[]).await).await;
    assert!(here.is_signed_in().await);
    near.store.tell_time(site.now() - minutes(2));
    sleep(HEARTBEAT).await;
    assert_eq!(here.open("/").await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn r41_limits_strike_at_their_time_by_what_is_cached() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    let brief = Limits::absolute(seconds(100));
    let mut here =
        near.knows(&site.started(NewSession::for_user("ada").at_most(brief)).await).await;
    site.pass(seconds(99));
    assert!(here.is_signed_in().await);
    site.pass(seconds(1));
    assert_eq!(here.turned_away_because().await, "absolute");
}

/// More requests than it takes until an answer is asked again at the store, and the time for that.
async fn is_measured(here: &Browser) {
    for _ in 0..1100 {
        here.clone().is_signed_in().await;
    }
    sleep(2 * BOUND).await;
}

/// It looks for itself whether it tells what has changed.
#[tokio::test(start_paused = true)]
async fn r41_a_cache_measures_its_own_promise() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    assert!(site.curfew.health().await.near.is_none());
    let ada = site.signed_in("ada", &[]).await;
    let here = near.knows(&ada).await;
    is_measured(&here).await;
    let health = near.curfew.health().await.near.unwrap();
    assert_eq!((health.entries, health.is_off), (1, false));
    assert_eq!(health.stalest, Duration::ZERO, "nothing has changed");

    near.store.break_watch(WatchFault::Swallow);
    ada.at(&site.router).post("/logout").await;
    is_measured(&here).await;
    let health = near.curfew.health().await.near.unwrap();
    assert!(Duration::ZERO < health.stalest.unsigned_abs(), "it has not noticed");
    assert!(health.stalest <= BOUND && !health.is_off, "{health:?}");
    assert!(health.behind.is_none_or(|behind| BOUND <= behind), "{health:?}");
}

/// As over a store that says that it has told all changes, and has not.
#[tokio::test(start_paused = true)]
async fn r41_a_cache_that_breaks_its_promise_turns_itself_off() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    let mut bob = near.knows(&site.signed_in("bob", &[]).await).await;
    let ada = site.signed_in("ada", &[]).await;
    let mut here = near.knows(&ada).await;
    near.store.break_watch(WatchFault::Withhold);
    ada.at(&site.router).post("/logout").await;
    sleep(2 * BOUND).await;
    assert!(here.clone().is_signed_in().await, "there is nothing to measure");
    is_measured(&here).await;
    let health = near.curfew.health().await.near.unwrap();
    assert!(health.is_off && BOUND < health.stalest, "{health:?}");
    assert!(!here.is_signed_in().await);
    near.store.calls();
    assert!(bob.is_signed_in().await);
    assert_eq!(near.store.calls(), ["load"], "nothing is cached any more");
}

/// The answer was on its way when the session ended, and when that was told.
#[tokio::test(start_paused = true)]
async fn r41_what_a_load_brings_that_was_overtaken_is_not_kept() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    near.knows(&site.signed_in("bob", &[]).await).await;
    let ada = site.signed_in("ada", &[]).await;
    let here = ada.at(&near.router);
    let mut held = near.store.hold_answer("load");
    let asks = tokio::spawn({
        let mut here = here.clone();
        async move { here.is_signed_in().await }
    });
    held.arrived().await;
    ada.at(&site.router).post("/logout").await;
    sleep(HEARTBEAT).await;
    held.release();
    assert!(asks.await.unwrap(), "the store said so when it was asked");
    is_measured(&here).await;
    let health = near.curfew.health().await.near.unwrap();
    assert!(!health.is_off, "it has found itself stale: {health:?}");
    assert!(!here.clone().is_signed_in().await);
}

/// A store need not tell of an end that rules have made. The request that learns of it there may be given up
/// before the answer arrives.
#[tokio::test(start_paused = true)]
async fn r41_requests_that_are_given_up_leave_nothing_that_looks_stale() {
    let site = Site::new();
    let near = site.near(Near::default()).await;
    let ada = site.signed_in("ada", &["acme"]).await;
    let here = near.knows(&ada).await;
    site.revoke_org("acme").await;
    sleep(HEARTBEAT).await;
    near.store.break_watch(WatchFault::Withhold);
    assert!(!ada.at(&site.router).is_signed_in().await, "its end is written");
    for _ in 0..1100 {
        let _held = near.store.hold("load");
        assert!(here.clone().is_signed_in().now_or_never().is_none(), "it asks the store");
        sleep(Duration::from_millis(1)).await;
    }
    sleep(2 * BOUND).await;
    let health = near.curfew.health().await.near.unwrap();
    assert!(!health.is_off, "it has found itself stale: {health:?}");
    assert!(!here.clone().is_signed_in().await);
}

#[tokio::test(start_paused = true)]
async fn r41_no_more_sessions_are_kept_than_there_is_room_for() {
    let site = Site::over(AnyStore::memory(), |builder| builder);
    let near = site.near(Near::default().entries(100)).await;
    for number in 0..1000 {
        let user = site.signed_in(&format!("user{number}"), &[]).await;
        assert!(user.at(&near.router).is_signed_in().await);
    }
    let entries = near.curfew.health().await.near.unwrap().entries;
    assert!((50..=100).contains(&entries), "{entries}");
}

/// Loads that race with the end of their session, and with what is told of it, on two nodes at once.
#[tokio::test(flavor = "multi_thread")]
async fn r41_no_load_that_was_overtaken_is_kept() {
    on_every_store(async |site| {
        if !site.tells_changes().await {
            return;
        }
        let near = site.near(Near::default()).await;
        near.knows(&site.signed_in("ada", &[]).await).await;
        let rounds = if is_long() { 20_000 } else { 300 };
        let (mut stale, mut outlived) = (0, Duration::ZERO);
        for number in 0..rounds {
            let ada = site.signed_in(&format!("user{}", number % 100), &[]).await;
            let mut here = ada.at(&near.router);
            let mut there = ada.at(&site.router);
            let asks = async move {
                // The first load is under way when the session ends, or it is cached by then.
                for _ in 0..number % 3 {
                    here.clone().is_signed_in().await;
                }
                here.is_signed_in().await;
            };
            at_once(asks, async move { there.post("/logout").await }).await;
            let ended = Instant::now();
            let mut here = ada.at(&near.router);
            while here.clone().is_signed_in().await {
                stale += 1;
                assert!(ended.elapsed() < BOUND, "it outlives the bound");
                sleep(Duration::from_micros(100)).await;
            }
            outlived = outlived.max(ended.elapsed());
            // Once it has been told it stays so.
            assert!(!here.is_signed_in().await);
        }
        println!(
            "{:?}: {rounds} races, {stale} answers before it was told, at most {outlived:?}",
            site.store
        );
    })
    .await;
}
