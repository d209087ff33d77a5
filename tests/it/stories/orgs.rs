//! Organizations: whom a policy binds, when it is set, changed and removed.

use time::Duration;
use tower_curfew::{Limits, NewSession, OrgPolicy};

use crate::support::{
    Browser, MS, Site, days, hours, minutes, on_every_store, on_every_store_with,
};

fn absolute(length: i64) -> OrgPolicy {
    OrgPolicy::absolute(days(length))
}

async fn in_acme(site: &Site) -> Browser {
    site.signed_in("ada", &["acme"]).await
}

/// Opens a page every day until this one, counted from `day`, and is let in each time.
async fn comes_daily(site: &Site, browser: &mut Browser, day: i64, until: i64) {
    for day in day + 1..=until {
        site.pass(days(1));
        assert!(browser.is_signed_in().await, "on day {day}");
    }
}

/// Passes the last day before an end, and sees it strike at the very millisecond.
async fn ends_tomorrow(site: &Site, browser: &mut Browser, because: &str) {
    site.pass(days(1) - MS);
    assert!(browser.is_signed_in().await, "a millisecond before");
    site.pass(MS);
    assert_eq!(browser.turned_away_because().await, because);
}

#[tokio::test]
async fn r14_7_days_enabled_end_what_is_older_at_once_and_the_rest_7_days_after_its_sign_in() {
    on_every_store(async |site| {
        let (mut old, mut elsewhere) =
            (in_acme(&site).await, site.signed_in("grace", &["globex"]).await);
        comes_daily(&site, &mut old, 0, 6).await;
        let mut young = in_acme(&site).await;
        comes_daily(&site, &mut young, 6, 8).await;
        assert!(old.is_signed_in().await);

        site.store.calls();
        site.set_policy("acme", absolute(7)).await;
        assert_eq!(site.store.calls(), ["rules_since", "replace_rules"], "no write to any session");
        assert_eq!(old.turned_away_because().await, "absolute acme");
        comes_daily(&site, &mut young, 8, 12).await;
        ends_tomorrow(&site, &mut young, "absolute acme").await;
        assert!(elsewhere.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r14_30_days_shortened_to_7_measure_from_the_sign_in_and_not_from_the_change() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(30)).await;
        let mut old = in_acme(&site).await;
        comes_daily(&site, &mut old, 0, 5).await;
        let mut young = in_acme(&site).await;
        comes_daily(&site, &mut young, 5, 10).await;
        site.set_policy("acme", absolute(7)).await;
        assert_eq!(old.turned_away_because().await, "absolute acme");
        comes_daily(&site, &mut young, 10, 11).await;
        ends_tomorrow(&site, &mut young, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn r14_a_session_as_old_as_the_new_length_is_over() {
    on_every_store(async |site| {
        let mut exactly = in_acme(&site).await;
        site.pass(MS);
        let mut younger = in_acme(&site).await;
        site.pass(days(7) - MS);
        site.set_policy("acme", absolute(7)).await;
        assert!(younger.is_signed_in().await);
        assert_eq!(exactly.turned_away_because().await, "absolute acme");
        site.pass(MS);
        assert_eq!(younger.turned_away_because().await, "absolute acme");
    })
    .await;
}

#[tokio::test]
async fn r15_7_days_lengthened_to_30_bind_only_new_sessions() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        let mut old = in_acme(&site).await;
        comes_daily(&site, &mut old, 0, 3).await;
        site.set_policy("acme", absolute(30)).await;
        let mut new = in_acme(&site).await;
        comes_daily(&site, &mut old, 3, 6).await;
        ends_tomorrow(&site, &mut old, "absolute acme").await;
        comes_daily(&site, &mut new, 7, 32).await;
        ends_tomorrow(&site, &mut new, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn r16_7_days_disabled_leave_living_sessions_their_end_and_new_ones_the_default() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        let mut old = in_acme(&site).await;
        comes_daily(&site, &mut old, 0, 3).await;
        site.set_policy("acme", None).await;
        let mut new = in_acme(&site).await;
        comes_daily(&site, &mut old, 3, 6).await;
        ends_tomorrow(&site, &mut old, "absolute acme").await;
        comes_daily(&site, &mut new, 7, 100).await;
        site.pass(days(28));
        assert_eq!(new.turned_away_because().await, "idle", "the app's own limit");
    })
    .await;
}

#[tokio::test]
async fn r16_7_days_disabled_and_then_3_bind_with_the_smaller_what_lived_through_both() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        let mut old = in_acme(&site).await;
        let mut oldest = in_acme(&site).await;
        site.pass(days(1));
        site.set_policy("acme", None).await;
        let mut between = in_acme(&site).await;
        site.pass(days(1));
        site.set_policy("acme", absolute(3)).await;
        ends_tomorrow(&site, &mut old, "absolute acme").await;
        ends_tomorrow(&site, &mut between, "absolute acme").await;
        assert_eq!(oldest.turned_away_because().await, "absolute acme");
    })
    .await;
}

#[tokio::test]
async fn r16_3_days_disabled_and_then_7_bind_with_the_smaller_too() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(3)).await;
        let mut old = in_acme(&site).await;
        site.pass(days(1));
        site.set_policy("acme", None).await;
        let mut between = in_acme(&site).await;
        site.pass(days(1));
        site.set_policy("acme", absolute(7)).await;
        ends_tomorrow(&site, &mut old, "absolute acme").await;
        comes_daily(&site, &mut between, 3, 7).await;
        ends_tomorrow(&site, &mut between, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn r17_of_several_organizations_the_shortest_wins_and_is_named() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7).and_idle(days(3))).await;
        site.set_policy("globex", absolute(5).and_idle(days(4))).await;
        site.set_policy("initech", absolute(6)).await;
        let orgs = ["acme", "globex", "initech", "umbrella"];
        let mut busy = site.signed_in("ada", &orgs).await;
        let mut silent = site.signed_in("ada", &orgs).await;
        comes_daily(&site, &mut busy, 0, 3).await;
        assert_eq!(silent.turned_away_because().await, "idle acme");
        comes_daily(&site, &mut busy, 3, 4).await;
        ends_tomorrow(&site, &mut busy, "absolute globex").await;
    })
    .await;
}

#[tokio::test]
async fn r17_an_organization_never_loosens_the_limits_of_the_app() {
    let limits = Limits::absolute(days(7)).and_idle(days(2));
    on_every_store_with(
        |builder| builder.limits(limits),
        async |site| {
            site.set_policy("acme", absolute(30).and_idle(days(20))).await;
            let mut busy = in_acme(&site).await;
            let mut silent = in_acme(&site).await;
            comes_daily(&site, &mut busy, 0, 2).await;
            assert_eq!(silent.turned_away_because().await, "idle");
            comes_daily(&site, &mut busy, 2, 6).await;
            ends_tomorrow(&site, &mut busy, "absolute").await;
        },
    )
    .await;
}

#[tokio::test]
async fn r14_r17_the_list_says_when_each_session_ends_and_what_binds_it() {
    on_every_store(async |site| {
        let created = site.now();
        in_acme(&site).await;
        site.pass(days(2));
        let seen = created;
        let bound = async || {
            let session = site.curfew.list("ada").await.unwrap().remove(0);
            let end = session.bound_by().unwrap().clone();
            (end.at, end.org.as_deref().map(str::to_owned), session.updated_at())
        };
        assert_eq!(bound().await, (seen + days(28), None, seen));
        site.set_policy("acme", absolute(7)).await;
        let acme = Some("acme".to_owned());
        assert_eq!(bound().await, (created + days(7), acme.clone(), site.now()));
        let changed = site.now();
        site.pass(days(1));
        site.set_policy("acme", absolute(30)).await;
        assert_eq!(bound().await, (created + days(7), acme, changed));
    })
    .await;
}

#[tokio::test]
async fn r19_revoking_an_organization_ends_its_sessions_and_no_others_with_one_write() {
    on_every_store(async |site| {
        site.set_policy("acme", None).await;
        let mut ada = in_acme(&site).await;
        let mut grace = site.signed_in("grace", &["acme", "globex"]).await;
        let mut other = site.signed_in("ada", &["globex"]).await;
        let mut nobody = site.signed_in("ada", &[]).await;
        site.store.calls();
        site.revoke_org("acme").await;
        assert_eq!(site.store.calls(), ["rules_since", "replace_rules"]);
        for browser in [&mut ada, &mut grace] {
            assert_eq!(browser.turned_away_because().await, "revoked acme");
        }
        assert!(other.is_signed_in().await && nobody.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r19_whoever_signs_in_or_joins_after_a_revocation_lives_whatever_the_clock_shows() {
    for clock in [minutes(0), MS, days(-2)] {
        on_every_store(async |site| {
            let mut old = in_acme(&site).await;
            let mut joins = site.signed_in("grace", &[]).await;
            site.pass(days(1));
            site.revoke_org("acme").await;
            site.pass(clock);
            let mut new = in_acme(&site).await;
            site.curfew.set_orgs("grace", ["acme"]).await.unwrap();
            assert_eq!(old.turned_away_because().await, "revoked acme");
            assert!(new.is_signed_in().await, "after {clock}");
            assert!(joins.is_signed_in().await, "after {clock}");
            site.revoke_org("acme").await;
            assert_eq!(new.turned_away_because().await, "revoked acme", "after {clock}");
        })
        .await;
    }
}

#[tokio::test]
async fn r19_a_revocation_leaves_the_policy_in_force() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(3)).await;
        site.set_policy("acme", absolute(7)).await;
        site.revoke_org("acme").await;
        let mut pair = site.started_twice(NewSession::for_user("ada").orgs(["acme"])).await;
        site.ends_in(days(7), &mut pair, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn r22_trap_38_of_two_policies_saved_in_the_same_millisecond_both_bind() {
    on_every_store(async |site| {
        let mut old = site.started_twice(NewSession::for_user("ada").orgs(["acme"])).await;
        site.set_policy("acme", absolute(3)).await;
        site.set_policy("acme", absolute(30)).await;
        let mut new = site.started_twice(NewSession::for_user("ada").orgs(["acme"])).await;
        site.ends_in(days(3), &mut old, "absolute acme").await;
        let mut left = days(30) - days(3);
        // The two would go idle before.
        while days(20) < left {
            site.pass(days(5));
            left -= days(5);
            for browser in &mut new {
                assert!(browser.is_signed_in().await);
            }
        }
        site.ends_in(left, &mut new, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn trap_38_an_idle_limit_that_is_relaxed_in_its_own_millisecond_binds_what_was_there() {
    on_every_store(async |site| {
        let mut pair = site.started_twice(NewSession::for_user("ada").orgs(["acme"])).await;
        site.set_policy("acme", OrgPolicy::idle(minutes(15))).await;
        site.set_policy("acme", OrgPolicy::idle(days(20))).await;
        site.ends_in(minutes(15), &mut pair, "idle acme").await;
    })
    .await;
}

#[tokio::test]
async fn r20_lengths_in_days_hours_and_minutes_are_exact() {
    let length: Duration = days(1) + hours(2) + minutes(3);
    for (policy, because) in
        [(OrgPolicy::absolute(length), "absolute acme"), (OrgPolicy::idle(length), "idle acme")]
    {
        on_every_store(async |site| {
            site.set_policy("acme", policy).await;
            let mut pair = site.started_twice(NewSession::for_user("ada").orgs(["acme"])).await;
            site.ends_in(length, &mut pair, because).await;
        })
        .await;
    }
}
