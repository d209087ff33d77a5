//! What has ended stays ended, and what is known of it stays for a while.

use time::Duration;
use tower_curfew::Ended;
use tower_curfew::store::Record;
use tower_curfew::{EndReason, Limits, NewSession, OrgPolicy};

use crate::support::{
    Browser, Fault, MS, Site, days, hours, minutes, on_every_store, on_every_store_with,
};

fn ada() -> NewSession {
    NewSession::for_user("ada").orgs(["acme"])
}

const NOBODY: [&str; 0] = [];

/// What somebody may do in the hope that a session lives again.
const ATTEMPTS: [&str; 8] =
    ["lengthen", "relax", "disable", "leave", "rejoin", "deploy", "step back", "purge"];

async fn attempt(site: &Site, what: &str, browser: Browser) -> Browser {
    let long = OrgPolicy::absolute(days(400)).and_idle(days(400));
    match what {
        "lengthen" => site.set_policy("acme", long).await,
        "relax" => site.set_policy("acme", OrgPolicy::idle(days(400))).await,
        "disable" => site.set_policy("acme", None).await,
        "leave" => site.curfew.set_orgs("ada", NOBODY).await.unwrap(),
        "rejoin" => {
            site.curfew.set_orgs("ada", NOBODY).await.unwrap();
            site.set_policy("acme", None).await;
            site.curfew.set_orgs("ada", ["acme"]).await.unwrap();
        }
        "deploy" => {
            let deployed = site.deployed_with(|b| b.limits(Limits::unlimited()));
            return browser.at(&deployed.router);
        }
        "step back" => site.pass(days(-1)),
        "purge" => assert_eq!(site.curfew.purge().await.unwrap(), 0),
        other => panic!("{other}?"),
    }
    browser
}

/// Over every store: a session ends as told by `end`, is found or is not, and then whatever anybody
/// attempts, it stays over for the same reason.
async fn stays_over(limits: Limits, because: &str, end: impl AsyncFn(&Site, &Browser)) {
    for what in ATTEMPTS {
        for found in [false, true] {
            // Nothing was written yet: at an earlier time it was indeed alive.
            if what == "step back" && !found && because != "revoked" {
                continue;
            }
            on_every_store_with(
                |builder| builder.limits(limits),
                async |site| {
                    let browser = site.started(ada()).await;
                    let copy = browser.clone();
                    end(&site, &browser).await;
                    if found {
                        let mut finder = browser.clone();
                        assert_eq!(finder.turned_away_because().await, because);
                    }
                    let mut browser = attempt(&site, what, browser).await;
                    let answer = browser.open("/").await;
                    let then = answer.turned_away_because();
                    assert_eq!(then, because, "{what}, found before: {found}");

                    // It is written by now. Time does not change it.
                    site.pass(days(2));
                    let then = copy.clone().turned_away_because().await;
                    assert_eq!(then, because, "{what}, two days later");
                },
            )
            .await;
        }
    }
}

#[tokio::test]
async fn r05_a_session_that_an_organization_ended_absolutely_stays_over() {
    stays_over(Limits::default(), "absolute acme", async |site, _| {
        site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
        site.pass(days(8));
    })
    .await;
}

#[tokio::test]
async fn r05_a_session_that_an_organization_ended_by_idleness_stays_over() {
    stays_over(Limits::default(), "idle acme", async |site, _| {
        site.set_policy("acme", OrgPolicy::idle(days(2))).await;
        site.pass(days(4));
    })
    .await;
}

#[tokio::test]
async fn r05_trap_33_a_session_that_an_organization_revoked_stays_over() {
    stays_over(Limits::default(), "revoked acme", async |site, _| {
        site.pass(days(1));
        site.revoke_org("acme").await;
    })
    .await;
}

#[tokio::test]
async fn r05_a_session_that_the_app_ended_stays_over() {
    let limits = Limits::absolute(days(7)).and_idle(days(6));
    stays_over(limits, "idle", async |site, _| site.pass(days(8))).await;
    let limits = Limits::absolute(days(7));
    stays_over(limits, "absolute", async |site, _| site.pass(days(8))).await;
}

#[tokio::test]
async fn r05_a_session_that_was_signed_out_stays_over() {
    stays_over(Limits::default(), "revoked", async |site, browser| {
        assert_eq!(browser.clone().post("/logout").await.status, 200);
        site.pass(days(2));
    })
    .await;
}

#[tokio::test]
async fn r05_when_the_clock_steps_back_ages_are_zero_and_deadlines_stay() {
    let limits = Limits::absolute(days(7)).and_idle(days(2));
    on_every_store_with(
        |builder| builder.limits(limits),
        async |site| {
            let mut pair = site.started_twice(ada()).await;
            let started = site.now();
            site.pass(days(-3));
            for browser in &mut pair {
                assert!(browser.is_signed_in().await, "not born yet, but let in");
                assert_eq!(site.record(browser).await.last_seen(), started);
            }
            site.ends_in(days(3) + days(2), &mut pair, "idle").await;

            let mut ada = site.started(ada()).await;
            for _ in 0..5 {
                site.pass(days(1));
                assert!(ada.is_signed_in().await);
            }
            let seen = site.now();
            site.pass(days(-4));
            assert!(ada.is_signed_in().await);
            assert_eq!(site.record(&ada).await.last_seen(), seen, "seen never moves back");
            site.pass(days(4) + days(2));
            assert_eq!(ada.turned_away_because().await, "absolute");
        },
    )
    .await;
}

#[tokio::test]
async fn r05_whoever_finds_a_session_over_writes_it_down() {
    on_every_store(async |site| {
        let started = site.now();
        let mut grace = site.signed_in("grace", &[]).await;
        let ended = |record: &Record| record.ended().cloned();
        let idle = Ended { at: started + days(28), reason: EndReason::Idle, org: None };

        site.pass(days(30));
        assert_eq!(ended(&*site.record(&grace).await), None, "nobody has looked");
        site.store.calls();
        let copy = grace.clone();
        assert_eq!(grace.turned_away_because().await, "idle");
        assert_eq!(site.store.calls(), ["load", "end"]);
        assert_eq!(ended(&*site.record(&copy).await), Some(idle.clone()));

        site.pass(days(1));
        assert_eq!(copy.clone().turned_away_because().await, "idle");
        assert_eq!(site.store.calls(), ["load"], "written once");
        assert_eq!(ended(&*site.record(&copy).await), Some(idle));
    })
    .await;
}

#[tokio::test]
async fn r05_a_list_that_finds_a_session_over_writes_it_down_too() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
        let ada = site.started(ada()).await;
        site.pass(days(7));
        assert!(site.curfew.list("ada").await.unwrap().is_empty());
        let ended = site.record(&ada).await.ended().cloned().unwrap();
        assert_eq!(ended.reason, EndReason::Absolute);
        assert_eq!(ended.org.as_deref(), Some("acme"));
    })
    .await;
}

#[tokio::test]
async fn r05_r32_while_the_end_cannot_be_written_nobody_knows() {
    on_every_store(async |site| {
        let ada = site.started(ada()).await;
        site.pass(days(28));
        site.store.break_only("end", Fault::Fail);
        for _ in 0..2 {
            let fetched = ada.clone().fetch("GET", "/").await;
            assert_eq!(fetched.status, 503);
            assert_eq!(fetched.set_cookies(), [""; 0]);
        }
        assert_eq!(site.record(&ada).await.ended(), None);

        site.store.mend();
        assert_eq!(ada.clone().turned_away_because().await, "idle");
        assert!(site.record(&ada).await.has_ended());
    })
    .await;
}

/// Sees the record of such a session kept for this long, and then no longer.
async fn is_kept_for(site: &Site, new: NewSession, kept: Duration, because: &str) {
    let before = site.started(new.clone()).await;
    let after = site.started(new).await;
    site.pass(kept - MS);
    assert_eq!(site.curfew.purge().await.unwrap(), 0, "before {kept}");
    assert_eq!(before.clone().turned_away_because().await, because);
    site.pass(MS);
    // As good as deleted, even before it is.
    assert_eq!(after.clone().turned_away_because().await, "");
    assert_eq!(site.curfew.purge().await.unwrap(), 2, "at {kept}");
    assert_eq!(before.clone().turned_away_because().await, "");
}

#[tokio::test]
async fn r05_the_record_goes_seven_days_after_the_latest_end() {
    on_every_store(async |site| {
        is_kept_for(&site, ada(), days(35), "idle").await;
        let brief = Limits::absolute(hours(1));
        is_kept_for(&site, ada().at_most(brief), days(7) + hours(1), "absolute").await;
    })
    .await;
}

#[tokio::test]
async fn r05_activity_keeps_the_record_for_longer() {
    on_every_store(async |site| {
        let mut ada = site.started(ada()).await;
        site.pass(days(20));
        assert!(ada.is_signed_in().await);
        site.pass(days(35) - MS);
        assert_eq!(site.curfew.purge().await.unwrap(), 0);
        assert_eq!(ada.clone().turned_away_because().await, "idle");
        site.pass(MS);
        assert_eq!(ada.clone().turned_away_because().await, "");
        assert_eq!(site.curfew.purge().await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn r37_records_of_sessions_without_limits_go_too_when_they_have_ended() {
    on_every_store_with(
        |builder| builder.limits(Limits::unlimited()),
        async |site| {
            for user in ["ada", "grace"] {
                let mut browser = site.signed_in(user, &[]).await;
                assert_eq!(browser.post("/logout").await.status, 200);
            }
            let mut alive = site.signed_in("alive", &[]).await;
            site.pass(days(1_000));
            assert!(alive.is_signed_in().await);
            let purged = site.curfew.purge().await.unwrap();
            assert_eq!(purged, 2, "each sign-in leaves a record for ever");
        },
    )
    .await;
}

#[tokio::test]
async fn r05_a_late_touch_revives_nothing() {
    on_every_store_with(
        |builder| builder.timeout(Duration::MINUTE),
        async |site| {
            let ada = site.started(ada()).await;
            site.pass(days(28) - minutes(1));
            let mut held = site.store.hold("touch");
            let mut late = ada.clone();
            let late = tokio::spawn(async move { late.open("/").await });
            held.arrived().await;
            site.pass(minutes(1));
            assert_eq!(ada.clone().turned_away_because().await, "idle");
            held.release();
            assert_eq!(late.await.unwrap().turned_away_because(), "idle");
            assert_eq!(ada.clone().turned_away_because().await, "idle");
        },
    )
    .await;
}
