//! Rules for everyone: one write that reaches every session there is.

use tower_curfew::{Effect, ErrorKind, Limits, NewSession, OrgPolicy, RulesChange};

use crate::support::{MS, Site, days, hours, minutes, on_every_store, on_every_store_with};

fn ada() -> NewSession {
    NewSession::for_user("ada").orgs(["acme"])
}

fn grace() -> NewSession {
    NewSession::for_user("grace")
}

#[tokio::test]
async fn r38_everyone_is_revoked_in_one_write_and_a_sign_in_after_it_lives() {
    on_every_store(async |site| {
        let elsewhere = site.another_node(|builder| builder).await;
        let mut ada = site.started(ada()).await;
        let mut grace = elsewhere.started(grace()).await;
        let mut program = site.program(NewSession::for_user("ada").named("laptop")).await;
        site.store.calls();
        site.curfew.operator("tests").revoke_everyone().await.unwrap();
        let writes = site.store.calls();
        assert_eq!(writes, ["rules_since", "replace_rules"], "however many sessions there are");
        for browser in [&mut ada, &mut grace] {
            let there = browser.at(&elsewhere.router).turned_away_because().await;
            assert_eq!(there, "revoked", "no organization is named");
            assert_eq!(browser.turned_away_because().await, "revoked");
        }
        assert_eq!(program.fetch("GET", "/").await.unauthorized_because(), "revoked");
        for node in [&site, &elsewhere] {
            let after = node.started(self::ada()).await;
            assert!(after.at(&site.router).is_signed_in().await);
            assert!(after.at(&elsewhere.router).is_signed_in().await);
        }
        assert_eq!(site.curfew.list("ada").await.unwrap().len(), 2);
        assert!(site.curfew.list("grace").await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn r38_r14_a_policy_for_everyone_ends_older_sessions_at_once_and_others_no_later() {
    on_every_store(async |site| {
        let mut old = site.started(grace()).await;
        site.pass(days(3));
        let mut young = site.started_twice(ada()).await;
        site.curfew
            .operator("tests")
            .set_policy_for_everyone(OrgPolicy::absolute(days(2)))
            .await
            .unwrap();
        assert_eq!(old.turned_away_because().await, "absolute", "no organization is named");
        site.ends_in(days(2), &mut young, "absolute").await;
    })
    .await;
}

#[tokio::test]
async fn r38_r15_r16_who_lived_through_a_policy_for_everyone_keeps_the_end_that_it_scheduled() {
    on_every_store(async |site| {
        let mut shortened = site.started_twice(ada()).await;
        site.curfew
            .operator("tests")
            .set_policy_for_everyone(OrgPolicy::absolute(days(2)))
            .await
            .unwrap();
        let in_force = site.curfew.policy_for_everyone().await.unwrap().unwrap();
        assert_eq!(in_force.policy, Some(OrgPolicy::absolute(days(2))));
        site.pass(days(1));
        site.curfew
            .operator("tests")
            .set_policy_for_everyone(OrgPolicy::absolute(days(7)))
            .await
            .unwrap();
        let mut lengthened = site.started_twice(ada()).await;
        site.pass(MS);
        site.curfew.operator("tests").clear_policy_for_everyone().await.unwrap();
        let mut free = site.started(grace()).await;
        site.ends_in(days(1) - MS, &mut shortened, "absolute").await;
        site.ends_in(days(6), &mut lengthened, "absolute").await;
        site.pass(days(20));
        assert!(free.is_signed_in().await, "it has never known a policy");
    })
    .await;
}

#[tokio::test]
async fn r38_r17_of_everyones_policy_an_organizations_and_the_apps_the_shortest_wins() {
    on_every_store_with(
        |builder| builder.limits(Limits::absolute(days(20)).and_idle(days(20))),
        async |site| {
            let everyone = OrgPolicy::absolute(days(9)).and_idle(hours(2));
            site.curfew.operator("tests").set_policy_for_everyone(everyone).await.unwrap();
            site.set_policy("acme", OrgPolicy::idle(hours(1))).await;
            let mut members = site.started_twice(ada()).await;
            let mut others = site.started_twice(grace()).await;
            site.ends_in(hours(1), &mut members, "idle acme").await;
            // One of them has just been here.
            assert!(others[0].is_signed_in().await);
            site.pass(hours(1));
            assert_eq!(others[1].turned_away_because().await, "idle");
            assert!(others[0].is_signed_in().await);
        },
    )
    .await;
}

#[tokio::test]
async fn r38_a_preview_for_everyone_answers_for_ones_own_session_alone() {
    on_every_store(async |site| {
        for _ in 0..3 {
            site.started(grace()).await;
        }
        let own = site.started(ada()).await;
        site.pass(days(3));
        let own = site.session(&own).await;
        site.store.calls();
        for (change, effect) in [
            (RulesChange::Revocation, Effect::Ends),
            (OrgPolicy::absolute(days(3)).into(), Effect::Ends),
            (OrgPolicy::absolute(days(4)).into(), Effect::Shortened),
            (OrgPolicy::idle(minutes(15)).into(), Effect::Shortened),
            (OrgPolicy::absolute(days(90)).into(), Effect::Unchanged),
            (RulesChange::NoPolicy, Effect::Unchanged),
        ] {
            let found = site.curfew.preview_for_everyone(change, &own).await.unwrap();
            assert_eq!(found, effect, "{change:?}");
            let calls = site.store.calls();
            assert_eq!(calls, ["rules_since", "load"], "nobody else is read: {calls:?}");
        }
        assert_eq!(site.curfew.policy_for_everyone().await.unwrap(), None, "nothing has changed");
        let too_short = OrgPolicy::absolute(minutes(1));
        let error = site.curfew.preview_for_everyone(too_short, &own).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPolicy);
    })
    .await;
}

#[tokio::test]
async fn r38_no_organization_has_the_name_of_everyone() {
    let site = Site::new();
    let mut ada = site.started(ada()).await;
    for answer in [
        site.curfew.operator("tests").set_policy("", OrgPolicy::absolute(days(1))).await,
        site.curfew.operator("tests").clear_policy("").await,
        site.curfew.operator("tests").revoke_org("").await,
    ] {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidName);
    }
    assert!(ada.is_signed_in().await);
    let refused = site
        .curfew
        .operator("tests")
        .set_policy_for_everyone(OrgPolicy::absolute(minutes(1)))
        .await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidPolicy);
}
