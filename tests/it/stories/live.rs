//! What lives longer than a request, and ends with the session.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tower_curfew::{EndReason, Ended, NewSession, OrgPolicy, Selector};

use crate::support::{
    Browser, Fault, MS, Site, WatchFault, days, hours, minutes, on_every_store, seconds,
};

/// More than it may take to learn of an end.
const SOON: Duration = Duration::from_secs(2);

impl Site {
    /// Waits for the end of a session while that is brought about.
    async fn ended_by(&self, browser: &Browser, what: impl AsyncFnOnce()) -> Ended {
        let ended = self.curfew.ended(&self.session(browser).await);
        what().await;
        timeout(SOON, ended).await.expect("it has ended, and nobody was told")
    }
}

async fn goes_on(until_ended: impl Future<Output = Ended>) {
    if let Ok(ended) = timeout(SOON, until_ended).await {
        panic!("it lives, and ended as {ended:?}");
    }
}

#[tokio::test]
async fn r31_whoever_waits_learns_of_each_way_to_end_a_session() {
    on_every_store(async |site| {
        if !site.tells_changes().await {
            return;
        }
        let elsewhere = site.another_node(|builder| builder).await;
        let operator = elsewhere.curfew.operator("tests");
        let new = || NewSession::for_user("ada").orgs(["acme"]);

        let ada = site.started(new()).await;
        let ended = site.ended_by(&ada, async || {
            ada.at(&elsewhere.router).post("/logout").await;
        });
        assert_eq!(ended.await.reason, EndReason::Revoked);

        let ada = site.started(new()).await;
        let ended = site.ended_by(&ada, async || {
            assert_eq!(operator.revoke(Selector::session(ada.session())).await.unwrap(), 1);
        });
        assert_eq!(ended.await.reason, EndReason::Revoked);

        let ada = site.started(new()).await;
        let mut same = ada.at(&elsewhere.router);
        let ended = site.ended_by(&ada, async || same.sign_in("ada", &[]).await);
        assert_eq!(ended.await.reason, EndReason::Revoked, "another sign-in took its place");

        let ada = site.started(new()).await;
        let ended = site.ended_by(&ada, async || operator.revoke_org("acme").await.unwrap());
        let Ended { reason, org, .. } = ended.await;
        assert_eq!((reason, org.as_deref()), (EndReason::Revoked, Some("acme")));

        let ada = site.started(new()).await;
        let ended = site.ended_by(&ada, async || operator.revoke_everyone().await.unwrap());
        let Ended { reason, org, .. } = ended.await;
        assert_eq!((reason, org), (EndReason::Revoked, None));

        let ada = site.started(new()).await;
        site.pass(minutes(30));
        let ended = site.ended_by(&ada, async || {
            let policy = OrgPolicy::absolute(minutes(20));
            operator.set_policy("acme", policy).await.unwrap();
        });
        let Ended { reason, org, .. } = ended.await;
        assert_eq!((reason, org.as_deref()), (EndReason::Absolute, Some("acme")));
    })
    .await;
}

#[tokio::test]
async fn r31_whoever_waits_learns_of_limits() {
    on_every_store(async |site| {
        if !site.tells_changes().await {
            return;
        }
        let ada = site.signed_in("ada", &["acme"]).await;
        let ended = site.ended_by(&ada, async || site.pass(days(28)));
        assert_eq!(ended.await.reason, EndReason::Idle);

        site.set_policy("acme", OrgPolicy::absolute(hours(1))).await;
        let ada = site.signed_in("ada", &["acme"]).await;
        let ended = site.ended_by(&ada, async || site.pass(hours(1)));
        let Ended { reason, org, .. } = ended.await;
        assert_eq!((reason, org.as_deref()), (EndReason::Absolute, Some("acme")));
    })
    .await;
}

/// The clock moves by itself here, and nothing else wakes whoever waits.
#[tokio::test(start_paused = true)]
async fn r31_the_end_comes_when_it_is_due_and_not_later() {
    let site = Site::new();
    let brief = tower_curfew::Limits::absolute(seconds(100));
    let ada = site.started(NewSession::for_user("ada").at_most(brief)).await;
    site.store.break_watch(WatchFault::Swallow);
    let mut ended = pin!(site.curfew.ended(&site.session(&ada).await));
    for _ in 0..99 {
        assert!(timeout(Duration::from_millis(1), &mut ended).await.is_err());
        site.pass(seconds(1));
        sleep(Duration::from_secs(1)).await;
    }
    site.pass(seconds(1));
    let ended = timeout(Duration::from_secs(2), ended).await.unwrap();
    assert_eq!(ended.reason, EndReason::Absolute);
}

#[tokio::test]
async fn r31_a_session_that_has_ended_before_one_waits_is_told_at_once() {
    on_every_store(async |site| {
        if !site.tells_changes().await {
            return;
        }
        let ada = site.signed_in("ada", &[]).await;
        let session = site.session(&ada).await;
        ada.at(&site.router).post("/logout").await;
        let ended = timeout(SOON, site.curfew.ended(&session)).await.unwrap();
        assert_eq!(ended.reason, EndReason::Revoked);
    })
    .await;
}

#[tokio::test]
async fn r31_rotation_ends_nothing_and_the_end_is_told_all_the_same() {
    on_every_store(async |site| {
        if !site.tells_changes().await {
            return;
        }
        let mut ada = site.signed_in("ada", &[]).await;
        let bob = site.signed_in("bob", &[]).await;
        let mut ended = pin!(site.curfew.ended(&site.session(&ada).await));
        ada.post("/rotate").await;
        ada.post("/again").await;
        bob.at(&site.router).post("/logout").await;
        assert!(ada.is_signed_in().await);
        assert!(timeout(Duration::from_millis(300), &mut ended).await.is_err());
        ada.post("/logout").await;
        assert_eq!(timeout(SOON, ended).await.unwrap().reason, EndReason::Revoked);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r31_waiting_is_no_activity_and_touching_is() {
    let site = Site::new();
    let [waits, touches] = [site.signed_in("ada", &[]).await, site.signed_in("bob", &[]).await];
    let [of_ada, of_bob] = [site.session(&waits).await, site.session(&touches).await];
    let [ada, bob] = [&of_ada, &of_bob].map(|session| site.curfew.ended(session));
    for _ in 0..27 {
        site.pass(days(1));
        site.curfew.touch(&of_bob).await.unwrap();
    }
    sleep(SOON).await;
    site.pass(days(1));
    assert_eq!(timeout(SOON, ada).await.unwrap().reason, EndReason::Idle);
    goes_on(bob).await;
    let error = site.curfew.touch(&of_ada).await.unwrap_err();
    assert_eq!(error.kind(), tower_curfew::ErrorKind::SignInRequired);
}

#[tokio::test(start_paused = true)]
async fn r31_to_touch_for_each_message_asks_the_store_no_more_often_than_requests_do() {
    let site = Site::new();
    let ada = site.signed_in("ada", &[]).await;
    let session = site.session(&ada).await;
    let _waits = site.curfew.ended(&session);
    sleep(SOON).await;
    site.store.calls();
    for _ in 0..10_000 {
        site.pass(seconds(1));
        site.curfew.touch(&session).await.unwrap();
        // So that the node may learn of its own change.
        tokio::task::yield_now().await;
    }
    let calls = site.store.calls();
    let touches = calls.iter().filter(|call| **call == "touch").count();
    assert_eq!(touches, 2, "{calls:?}");
    assert!(calls.len() <= 8, "{calls:?}");
}

/// Nobody is told that a session is over before that is known, and then all are.
#[tokio::test(start_paused = true)]
async fn r32_while_the_store_does_not_answer_nobody_is_told_anything() {
    for fault in [Fault::Fail, Fault::Hang] {
        let site = Site::new();
        let ada = site.signed_in("ada", &["acme"]).await;
        let mut ended = pin!(site.curfew.ended(&site.session(&ada).await));
        assert!(timeout(SOON, &mut ended).await.is_err());
        site.store.break_all(fault);
        site.pass(days(28));
        assert!(timeout(Duration::from_secs(60), &mut ended).await.is_err());
        site.store.mend();
        assert_eq!(timeout(SOON, ended).await.unwrap().reason, EndReason::Idle);
    }
}

#[tokio::test(start_paused = true)]
async fn r31_an_end_that_was_not_told_is_found_once_the_store_is_watched_again() {
    for fault in [WatchFault::Cut, WatchFault::Swallow] {
        let site = Site::new();
        let ada = site.signed_in("ada", &["acme"]).await;
        let bob = site.signed_in("bob", &["acme"]).await;
        let [of_ada, of_bob] = [site.session(&ada).await, site.session(&bob).await];
        let [ada_ended, bob_ended] = [&of_ada, &of_bob].map(|session| site.curfew.ended(session));
        let (mut ada_ended, mut bob_ended) = (pin!(ada_ended), pin!(bob_ended));
        assert!(timeout(SOON, &mut ada_ended).await.is_err());

        site.store.break_watch(fault);
        sleep(Duration::from_millis(600)).await;
        ada.at(&site.router).post("/logout").await;
        site.revoke_org("globex").await;
        sleep(Duration::from_millis(100)).await;
        site.store.mend();
        let ended = timeout(SOON, ada_ended).await.expect("it is known, and nobody is told");
        assert_eq!(ended.reason, EndReason::Revoked, "{fault:?}");
        assert!(timeout(Duration::from_millis(1), &mut bob_ended).await.is_err());
        site.revoke_org("acme").await;
        assert_eq!(timeout(SOON, bob_ended).await.unwrap().reason, EndReason::Revoked);
    }
}

#[tokio::test(start_paused = true)]
async fn r31_a_store_that_does_not_tell_of_changes_is_asked_from_time_to_time() {
    let site = Site::new();
    site.store.break_watch(WatchFault::Unable);
    let ada = site.signed_in("ada", &["acme"]).await;
    let mut ended = pin!(site.curfew.ended(&site.session(&ada).await));
    assert!(timeout(minutes(5).unsigned_abs(), &mut ended).await.is_err());
    ada.at(&site.router).post("/logout").await;
    let ended = timeout(Duration::from_secs(31), ended).await.unwrap();
    assert_eq!(ended.reason, EndReason::Revoked);

    let bob = site.signed_in("bob", &["acme"]).await;
    let mut ended = pin!(site.curfew.ended(&site.session(&bob).await));
    assert!(timeout(SOON, &mut ended).await.is_err());
    site.revoke_org("acme").await;
    let ended = timeout(Duration::from_secs(31), ended).await.unwrap();
    assert_eq!(ended.org.as_deref(), Some("acme"));
}

#[tokio::test(start_paused = true)]
async fn r31_however_many_wait_a_node_watches_once_and_asks_nothing_at_rest() {
    let site = Site::with(|builder| builder.purge_by_hand());
    let mut waiting = Vec::new();
    for number in 0..300 {
        let browser = site.signed_in(&format!("user{number}"), &[]).await;
        let session = site.session(&browser).await;
        waiting.push(tokio::spawn(site.curfew.ended(&session)));
        waiting.push(tokio::spawn(site.curfew.ended(&session)));
    }
    sleep(SOON).await;
    assert_eq!(site.store.calls().iter().filter(|call| **call == "watch").count(), 1);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(site.store.calls(), [""; 0], "an hour at rest");

    site.curfew.operator("tests").revoke_everyone().await.unwrap();
    for waiting in waiting {
        assert_eq!(timeout(SOON, waiting).await.unwrap().unwrap().reason, EndReason::Revoked);
    }
}

#[tokio::test(start_paused = true)]
async fn r31_whoever_stops_waiting_is_looked_at_no_more() {
    let site = Site::with(|builder| builder.purge_by_hand());
    let ada = site.signed_in("ada", &[]).await;
    let session = site.session(&ada).await;
    let [one, other] = [(); 2].map(|()| site.curfew.ended(&session));
    sleep(SOON).await;
    drop(one);
    drop(other);
    site.store.calls();
    ada.at(&site.router).post("/logout").await;
    assert_eq!(site.store.calls(), ["load", "end"]);
    site.pass(days(28) + MS);
    sleep(SOON).await;
    assert_eq!(site.store.calls(), [""; 0]);
}
