//! What an admin of an organization does with the handle, and what its people see of it.

use tower_curfew::store::{OrgRules, Store as _};
use tower_curfew::{Curfew, Error, ErrorKind, NewSession, OrgPolicy, Session};

use crate::support::{
    Browser, Fault, MS, Site, days, filed, hours, is_long, is_quick, minutes, on_every_store,
    seconds,
};

const NOBODY: [&str; 0] = [];

fn absolute(length: i64) -> OrgPolicy {
    OrgPolicy::absolute(days(length))
}

fn ada() -> NewSession {
    NewSession::for_user("ada").orgs(["acme"])
}

async fn rules(site: &Site, org: &str) -> Option<OrgRules> {
    site.store.rules(org).await
}

/// Passes days on each of which all of them come, and are let in.
async fn come_daily(site: &Site, browsers: &mut [Browser], count: u32) {
    for _ in 0..count {
        site.pass(days(1));
        for browser in &mut *browsers {
            assert!(browser.is_signed_in().await, "{}", site.now());
        }
    }
}

#[tokio::test]
async fn r14_7_days_set_end_a_session_of_10_days_at_once_and_one_of_3_on_its_day_7() {
    on_every_store(async |site| {
        let mut old = site.started(ada()).await;
        come_daily(&site, std::slice::from_mut(&mut old), 7).await;
        let mut young = site.started_twice(ada()).await;
        come_daily(&site, &mut young, 3).await;
        assert!(old.is_signed_in().await, "on day 10");
        site.set_policy("acme", absolute(7)).await;
        assert_eq!(old.turned_away_because().await, "absolute acme");
        come_daily(&site, &mut young, 3).await;
        site.ends_in(days(1), &mut young, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn r15_7_days_lengthened_to_14_leave_the_living_day_7_and_give_new_ones_14() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        let mut old = site.started_twice(ada()).await;
        come_daily(&site, &mut old, 3).await;
        site.set_policy("acme", absolute(14)).await;
        let mut new = site.started_twice(ada()).await;
        come_daily(&site, &mut old, 3).await;
        site.ends_in(days(1), &mut old, "absolute acme").await;
        come_daily(&site, &mut new, 9).await;
        site.ends_in(days(1), &mut new, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn r17_of_7_and_28_days_it_ends_on_day_7_and_does_so_too_after_leaving_that_organization() {
    for leaves in [false, true] {
        on_every_store(async |site| {
            site.set_policy("globex", absolute(28)).await;
            site.set_policy("acme", absolute(7)).await;
            let mut pair = site.started_twice(ada().orgs(["acme", "globex"])).await;
            come_daily(&site, &mut pair, 3).await;
            if leaves {
                site.curfew.set_orgs("ada", ["globex"]).await.unwrap();
            }
            come_daily(&site, &mut pair, 3).await;
            site.ends_in(days(1), &mut pair, "absolute acme").await;
        })
        .await;
    }
}

#[tokio::test]
async fn r18_whoever_joins_an_organization_of_1_day_on_day_3_ends_at_the_next_request() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(1)).await;
        let mut ada = site.started(NewSession::for_user("ada")).await;
        come_daily(&site, std::slice::from_mut(&mut ada), 3).await;
        site.curfew.set_orgs("ada", ["acme"]).await.unwrap();
        assert_eq!(ada.turned_away_because().await, "absolute acme");
    })
    .await;
}

#[tokio::test]
async fn r18_over_by_its_idle_limit_left_and_rejoined_it_is_still_over() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::idle(hours(1))).await;
        let mut ada = site.started(ada()).await;
        site.pass(hours(1));
        site.curfew.set_orgs("ada", NOBODY).await.unwrap();
        assert!(site.curfew.list("ada").await.unwrap().is_empty());
        site.curfew.set_orgs("ada", ["acme"]).await.unwrap();
        assert_eq!(ada.turned_away_because().await, "idle acme");
    })
    .await;
}

#[tokio::test]
async fn r08_15_idle_minutes_set_while_people_work_sign_out_nobody_but_who_was_away_for_2_hours() {
    on_every_store(async |site| {
        let active_within = [minutes(15) - MS, minutes(14), minutes(5), seconds(1), minutes(0)];
        let mut away = site.started(ada()).await;
        let mut at_work = Vec::new();
        for _ in active_within {
            at_work.push(site.started(ada()).await);
        }
        site.pass(minutes(30));
        assert!(away.is_signed_in().await, "which is not recorded");
        // All the others work on for two hours, and are recorded once in each.
        for _ in 0..21 {
            site.pass(minutes(5));
            for browser in &mut at_work {
                assert!(browser.is_signed_in().await);
            }
        }
        let started = site.now();
        let last = started + minutes(15);
        for (browser, ago) in at_work.iter_mut().zip(active_within) {
            site.clock.set(last - ago);
            assert!(browser.is_signed_in().await);
        }
        site.clock.set(last);
        site.set_policy("acme", OrgPolicy::idle(minutes(15))).await;
        assert_eq!(away.turned_away_because().await, "idle acme");
        for (browser, ago) in at_work.iter_mut().zip(active_within) {
            assert!(browser.is_signed_in().await, "active {ago} ago");
        }
    })
    .await;
}

#[tokio::test]
async fn r20_a_session_length_is_an_idle_limit_if_refreshed_automatically_and_absolute_if_not() {
    const WEEK: time::Duration = time::Duration::days(7);
    const SLIDING: OrgPolicy = OrgPolicy::session_length(WEEK, true);
    const FIXED: OrgPolicy = OrgPolicy::session_length(WEEK, false);
    assert_eq!((SLIDING.idle_limit(), SLIDING.absolute_limit()), (Some(days(7)), None));
    assert_eq!((FIXED.idle_limit(), FIXED.absolute_limit()), (None, Some(days(7))));
    on_every_store(async |site| {
        site.set_policy("acme", SLIDING).await;
        site.set_policy("globex", FIXED).await;
        let mut sliding = site.started_twice(ada()).await;
        let mut fixed = site.started_twice(ada().orgs(["globex"])).await;
        come_daily(&site, &mut fixed, 6).await;
        for browser in &mut sliding {
            assert!(browser.is_signed_in().await);
        }
        site.ends_in(days(1), &mut fixed, "absolute globex").await;
        come_daily(&site, &mut sliding, 14).await;
        site.ends_in(days(7), &mut sliding, "idle acme").await;
    })
    .await;
}

#[tokio::test]
async fn r24_updated_moves_when_a_policy_moves_the_end_of_that_session_and_only_then() {
    on_every_store(async |site| {
        let signed_in = site.now();
        let _ada = site.started(ada()).await;
        let entry = async || {
            let entry = site.curfew.list("ada").await.unwrap().remove(0);
            (entry.updated_at(), entry.ends_at().unwrap())
        };
        let mut expected = (signed_in, signed_in + days(28));
        for (policy, end) in [
            // Longer than what binds it already.
            (Some(absolute(90)), days(28)),
            (Some(absolute(20)), days(20)),
            (Some(absolute(20)), days(20)),
            (Some(absolute(20).and_idle(days(25))), days(20)),
            (Some(absolute(21)), days(20)),
            (None, days(20)),
            (Some(absolute(12)), days(12)),
            // An idle limit that one has half used up.
            (Some(OrgPolicy::idle(days(11))), days(11) + hours(1)),
            (Some(absolute(12)), days(11) + hours(1)),
        ] {
            site.pass(hours(10));
            site.set_policy("acme", policy).await;
            site.set_policy("globex", absolute(1)).await;
            if signed_in + end != expected.1 {
                expected = (site.now(), signed_in + end);
            }
            assert_eq!(entry().await, expected, "{policy:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r19_revoking_an_organization_of_100_000_sessions_is_one_write_and_ends_them_all() {
    on_every_store(async |site| {
        let is_memory = format!("{:?}", site.store).contains("Memory");
        let sessions = if is_long() || is_memory && !is_quick() { 100_000 } else { 2_000 };
        // Some of them sign in, before and after all others are there.
        let mut some = Vec::new();
        for n in 0..100 {
            if n == 50 {
                let others = (100..sessions)
                    .map(|n| filed(n, &format!("user-{n}"), "acme", site.now()))
                    .collect();
                assert_eq!(site.store.import(others).await.unwrap(), u64::from(sessions - 100));
            }
            let new = NewSession::for_user(format!("user-{n}")).orgs(["acme"]);
            some.push(site.started(new).await);
        }
        let mut elsewhere = site.started(ada().orgs(["globex"])).await;
        assert!(some[1].is_signed_in().await);
        site.store.calls();
        site.curfew.operator("tests").revoke_org("acme").await.unwrap();
        assert_eq!(site.store.calls(), ["rules_since", "replace_rules"]);
        // In the same millisecond.
        let mut after = site.started(ada()).await;
        for browser in &mut some {
            assert_eq!(browser.turned_away_because().await, "revoked acme");
        }
        assert!(after.is_signed_in().await && elsewhere.is_signed_in().await);
        // Very many are counted no further than 10,000.
        let counted = site.curfew.count_org("acme").await.unwrap();
        assert!(counted.sessions == 1 || counted.at_least && counted.sessions == 0, "{counted:?}");
    })
    .await;
}

#[tokio::test]
async fn r32_while_the_store_is_down_an_admin_is_told_so_and_nothing_is_half_done() {
    async fn all_fail(curfew: &Curfew, own: &Session, only_writes: bool) {
        let mut answers: Vec<Result<(), Error>> = vec![
            curfew.operator("tests").set_policy("acme", absolute(1)).await,
            curfew.operator("tests").set_policy("initech", absolute(1)).await,
            curfew.operator("tests").clear_policy("acme").await,
            curfew.operator("tests").revoke_org("acme").await,
        ];
        if !only_writes {
            answers.push(curfew.policy("acme").await.map(drop));
            answers.push(curfew.preview("acme", absolute(1), own).await.map(drop));
        }
        for (at, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable, "{at}");
        }
    }
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        let mut ada = site.started(ada()).await;
        let own = site.session(&ada).await;
        site.pass(days(2));
        let (acme, initech) = (rules(&site, "acme").await, rules(&site, "initech").await);
        // One who waits briefly, for what does not come anyway.
        let hasty = site.deployed_with(|builder| builder.timeout(MS * 300)).curfew;
        for fault in [Fault::Fail, Fault::Hang] {
            site.store.break_only("replace_rules", fault);
            all_fail(&hasty, &own, true).await;
            site.store.break_only("rules_since", fault);
            all_fail(&hasty, &own, false).await;
            site.store.break_only("list", fault);
            let counted = hasty.count_org("acme").await;
            assert_eq!(counted.unwrap_err().kind(), ErrorKind::Unavailable);
            let previewed = hasty.preview("acme", absolute(1), &own).await;
            assert_eq!(previewed.unwrap_err().kind(), ErrorKind::Unavailable);
            site.store.mend();
            assert_eq!(rules(&site, "acme").await, acme);
            assert_eq!(rules(&site, "initech").await, initech);
            assert!(ada.is_signed_in().await);
        }
    })
    .await;
}
