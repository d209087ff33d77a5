//! Rows that must not be made, rows that must go, and whose clock it is.

use tower_curfew::clock::Timestamp;
use tower_curfew::{Limits, NewSession, OrgPolicy};

use crate::support::{
    Fault, MS, Site, days, hours, is_long, minutes, on_every_store, on_every_store_with,
};

/// How many records there are, which are deleted by counting them.
async fn rows(site: &Site) -> u64 {
    site.pass(days(100_000));
    site.curfew.purge().await.unwrap()
}

#[tokio::test]
async fn trap_07_a_made_up_id_makes_no_row() {
    on_every_store(async |site| {
        // Signed with the same key, but of no session here.
        let elsewhere = Site::new();
        let mut unknown = elsewhere.signed_in("ada", &[]).await.at(&site.router);
        for path in ["/", "/about", "/landing", "/presence", "/login", "/nowhere"] {
            site.store.calls();
            let answer = unknown.open(path).await;
            assert_eq!(answer.set_cookies(), [""; 0], "{path}");
            assert_eq!(site.store.calls(), ["load"], "{path}");
        }
        for path in ["/logout", "/rotate", "/again"] {
            assert_eq!(unknown.post(path).await.turned_away_because(), "", "{path}");
            assert_eq!(site.store.calls(), ["load"], "{path}");
        }
        assert_eq!(rows(&site).await, 0);
    })
    .await;
}

#[tokio::test]
async fn trap_07_a_visitor_makes_no_row_and_no_query() {
    on_every_store(async |site| {
        let mut visitor = site.browser();
        for path in ["/", "/about", "/landing", "/presence", "/login", "/nowhere"] {
            for _ in 0..2 {
                assert_eq!(visitor.open(path).await.set_cookies(), [""; 0], "{path}");
            }
            visitor.post(path).await;
        }
        let refused = visitor.post("/login").await;
        assert_eq!(refused.status, 401, "no password, no row");
        assert_eq!(site.store.calls(), [""; 0]);
        assert_eq!(rows(&site).await, 0);

        site.signed_in("ada", &[]).await;
        assert_eq!(rows(&site).await, 1, "it does count");
    })
    .await;
}

/// 1990, the last seconds before milliseconds had 13 digits, now, and 2100.
const TIMES: [i64; 4] = [631_152_000_000, 999_999_900_000, 1_767_225_600_123, 4_102_444_800_000];

#[tokio::test]
async fn trap_09_whatever_the_app_takes_for_the_time_is_the_time() {
    let limits = Limits::absolute(days(7)).and_idle(days(2));
    for time in TIMES {
        on_every_store_with(
            |builder| builder.limits(limits),
            async |site| {
                site.clock.set(Timestamp::from_unix_millis(time));
                let mut ada = site.started(NewSession::for_user("ada").orgs(["acme"])).await;
                assert_eq!(site.curfew.purge().await.unwrap(), 0);
                for _ in 0..6 {
                    site.pass(days(1));
                    assert_eq!(site.curfew.purge().await.unwrap(), 0);
                    let answer = ada.open("/").await;
                    assert_eq!(answer.status, 200);
                    assert_eq!(answer.set_cookies().len(), 1);
                    assert_eq!(site.record(&ada).await.last_seen(), site.now());
                }
                let listed = site.curfew.list("ada").await.unwrap();
                assert_eq!(listed[0].ends_at().unwrap().unix_millis(), time + 7 * 86_400_000);
                let mut pair = site.started_twice(NewSession::for_user("grace")).await;
                site.ends_in(days(2), &mut pair, "idle").await;
                let copy = ada.clone();
                assert_eq!(ada.turned_away_because().await, "absolute");

                site.pass(days(6) - MS);
                assert_eq!(site.curfew.purge().await.unwrap(), 0);
                assert_eq!(copy.clone().turned_away_because().await, "absolute");
                site.pass(MS);
                assert_eq!(site.curfew.purge().await.unwrap(), 1);
            },
        )
        .await;
    }
}

#[tokio::test]
async fn trap_09_policies_and_caps_go_by_the_apps_clock_too() {
    for time in TIMES {
        on_every_store(async |site| {
            site.clock.set(Timestamp::from_unix_millis(time));
            site.set_policy("acme", OrgPolicy::idle(minutes(15))).await;
            let mut pair = site.started_twice(NewSession::for_user("ada").orgs(["acme"])).await;
            site.pass(minutes(1));
            site.set_policy("acme", OrgPolicy::absolute(hours(1))).await;
            site.ends_in(minutes(14), &mut pair, "idle acme").await;
        })
        .await;
    }
}

#[tokio::test]
async fn trap_10_purging_deletes_what_is_spent_and_nothing_else() {
    on_every_store(async |site| {
        // More than two batches.
        let spent = if is_long() { 2_100 } else { 600 };
        for number in 0..spent {
            site.started(NewSession::for_user((number % 7).to_string())).await;
        }
        site.pass(days(1));
        let mut alive = site.signed_in("ada", &["acme"]).await;
        site.pass(days(27));
        assert!(alive.is_signed_in().await);
        site.pass(days(7) - MS);
        assert_eq!(site.curfew.purge().await.unwrap(), 0);
        site.pass(MS);
        assert_eq!(site.curfew.purge().await.unwrap(), spent);
        assert_eq!(site.curfew.purge().await.unwrap(), 0);
        assert!(alive.is_signed_in().await);
    })
    .await;
}

/// Lets the background run for so long. Time is paused, so it takes none.
async fn lets_run(time: time::Duration) {
    tokio::time::sleep(time.unsigned_abs()).await;
}

#[tokio::test(start_paused = true)]
async fn trap_10_the_purge_in_the_background_outlives_errors_and_frees_memory() {
    for fault in [Fault::Fail, Fault::Hang] {
        let site = Site::with(|builder| builder.purge_every(minutes(10)));
        for _ in 0..50 {
            site.signed_in("ada", &["acme"]).await;
        }
        site.pass(days(35));
        site.store.break_all(fault);
        site.store.calls();
        lets_run(hours(1)).await;
        let tries = site.store.calls();
        assert!((5..=6).contains(&tries.len()), "{fault:?}: {tries:?}");
        assert!(tries.iter().all(|call| *call == "purge"), "{tries:?}");
        assert!(format!("{:?}", site.store).contains("records: 50"), "{:?}", site.store);

        site.store.mend();
        lets_run(minutes(11)).await;
        assert!(format!("{:?}", site.store).contains("records: 0"), "{:?}", site.store);
        assert!(site.store.calls().contains(&"purge"));

        // And it goes on.
        site.signed_in("ada", &["acme"]).await;
        site.pass(days(35));
        lets_run(minutes(11)).await;
        assert!(format!("{:?}", site.store).contains("records: 0"), "{:?}", site.store);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_10_the_purge_in_the_background_stops_with_the_handle() {
    let site = Site::new();
    let mut ada = site.signed_in("ada", &[]).await;
    let store = site.store.clone();
    let copy = site.curfew.clone();
    drop(site);
    store.calls();
    lets_run(minutes(11)).await;
    assert_eq!(store.calls(), ["purge"], "a browser and a copy of the handle are there");
    assert!(ada.is_signed_in().await);
    drop(ada);
    lets_run(minutes(11)).await;
    assert!(store.calls().contains(&"purge"), "the copy is there");
    drop(copy);
    lets_run(days(1)).await;
    assert_eq!(store.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn trap_10_purging_by_hand_is_left_to_the_app() {
    let site = Site::with(|builder| builder.purge_by_hand());
    site.signed_in("ada", &[]).await;
    site.pass(days(35));
    site.store.calls();
    lets_run(days(1)).await;
    assert_eq!(site.store.calls(), [""; 0]);
    assert_eq!(site.curfew.purge().await.unwrap(), 1);
}
