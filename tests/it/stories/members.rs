//! Who joins an organization and who leaves it, and what changes while a request is under way.

use time::Duration;
use tower_curfew::{NewSession, OrgPolicy};

use crate::support::{Site, days, hours, minutes, on_every_store, on_every_store_with};

const NOBODY: [&str; 0] = [];

fn absolute(length: i64) -> OrgPolicy {
    OrgPolicy::absolute(days(length))
}

fn ada() -> NewSession {
    NewSession::for_user("ada").orgs(["acme"])
}

async fn set_orgs<const N: usize>(site: &Site, orgs: [&str; N]) {
    site.curfew.set_orgs("ada", orgs).await.unwrap();
}

#[tokio::test]
async fn r18_an_organization_joined_later_binds_from_the_next_request_measured_from_the_sign_in() {
    on_every_store(async |site| {
        site.set_policy("globex", absolute(7)).await;
        site.set_policy("initech", absolute(2)).await;
        let mut pair = site.started_twice(ada()).await;
        let mut other = site.started(NewSession::for_user("grace")).await;
        site.pass(days(3));
        set_orgs(&site, ["acme", "globex"]).await;
        let mut copy = pair[0].clone();
        assert!(copy.is_signed_in().await);
        site.ends_in(days(4), &mut pair, "absolute globex").await;

        let mut ada = site.started(ada()).await;
        site.pass(days(3));
        assert!(ada.is_signed_in().await);
        set_orgs(&site, ["initech"]).await;
        assert_eq!(ada.turned_away_because().await, "absolute initech");
        assert!(other.is_signed_in().await, "somebody else's");
    })
    .await;
}

#[tokio::test]
async fn r18_what_an_organization_demanded_before_one_joined_it_does_not_bind() {
    on_every_store(async |site| {
        site.set_policy("globex", absolute(2)).await;
        site.set_policy("globex", absolute(7)).await;
        let mut pair = site.started_twice(ada()).await;
        site.pass(days(3));
        set_orgs(&site, ["globex"]).await;
        site.ends_in(days(4), &mut pair, "absolute globex").await;
    })
    .await;
}

#[tokio::test]
async fn r18_an_organization_that_is_listed_again_keeps_its_entry() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        let first = site.store.rules("acme").await.unwrap().version();
        let mut pair = site.started_twice(ada()).await;
        site.pass(days(1));
        site.set_policy("acme", absolute(30)).await;
        site.pass(days(1));
        set_orgs(&site, ["globex", "acme", "acme"]).await;
        let record = site.record(&pair[0]).await;
        let orgs: Vec<&str> = record.memberships().iter().map(|member| &*member.org).collect();
        assert_eq!(orgs, ["acme", "globex"]);
        assert_eq!(record.memberships()[0].stamp.version, first, "as it was when ada signed in");
        site.ends_in(days(5), &mut pair, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn r18_whoever_leaves_takes_the_absolute_end_along_and_no_later_policy_binds() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        let mut pair = site.started_twice(ada()).await;
        site.pass(days(3));
        set_orgs(&site, NOBODY).await;
        site.set_policy("acme", absolute(1)).await;
        site.revoke_org("acme").await;
        assert!(pair[1].clone().is_signed_in().await);
        site.ends_in(days(4), &mut pair, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn r18_an_idle_limit_ends_with_the_membership() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::idle(hours(1))).await;
        let mut pair = site.started_twice(ada()).await;
        site.pass(minutes(59));
        set_orgs(&site, ["globex"]).await;
        site.ends_in(days(28) - minutes(59), &mut pair, "idle").await;
    })
    .await;
}

#[tokio::test]
async fn r18_of_several_ends_the_shortest_is_taken_along() {
    on_every_store(async |site| {
        for (org, length) in [("acme", 20), ("globex", 6), ("initech", 9)] {
            site.set_policy(org, absolute(length)).await;
        }
        let all = ["acme", "globex", "initech"];
        let mut pair = site.started_twice(ada().orgs(all)).await;
        site.pass(days(1));
        set_orgs(&site, ["acme", "globex"]).await;
        site.pass(days(1));
        set_orgs(&site, ["acme"]).await;
        site.pass(days(1));
        set_orgs(&site, all).await;
        site.ends_in(days(3), &mut pair, "absolute globex").await;
    })
    .await;
}

#[tokio::test]
async fn trap_33_whoever_left_and_rejoins_keeps_the_end_that_was_scheduled() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        let mut pair = site.started_twice(ada()).await;
        site.pass(days(3));
        set_orgs(&site, NOBODY).await;
        site.set_policy("acme", absolute(27)).await;
        site.pass(days(1));
        set_orgs(&site, ["acme"]).await;
        site.ends_in(days(3), &mut pair, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn trap_33_whoever_was_over_when_leaving_stays_over() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        site.set_policy("globex", OrgPolicy::idle(days(1))).await;
        let mut by_limit = site.started(ada()).await;
        let mut by_idleness = site.started(ada().orgs(["globex"])).await;
        site.pass(days(7));
        let mut by_revocation = site.started(ada().orgs(["initech"])).await;
        site.revoke_org("initech").await;
        // Nobody has found any of them over before they leave.
        set_orgs(&site, NOBODY).await;
        site.set_policy("acme", None).await;
        site.set_policy("globex", None).await;
        set_orgs(&site, ["acme", "globex", "initech"]).await;
        assert_eq!(by_limit.turned_away_because().await, "absolute acme");
        assert_eq!(by_idleness.turned_away_because().await, "idle globex");
        assert_eq!(by_revocation.turned_away_because().await, "revoked initech");
    })
    .await;
}

#[tokio::test]
async fn r18_if_the_end_cannot_be_written_nobody_leaves() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        let mut ada = site.started(ada()).await;
        site.pass(days(7));
        site.store.break_only("end", crate::support::Fault::Fail);
        assert!(site.curfew.set_orgs("ada", NOBODY).await.is_err());
        site.store.mend();
        assert_eq!(site.record(&ada).await.memberships().len(), 1);
        assert_eq!(ada.turned_away_because().await, "absolute acme");
    })
    .await;
}

#[tokio::test]
async fn r18_more_sessions_than_one_page_of_a_list_all_join() {
    on_every_store(async |site| {
        let mut all = Vec::new();
        for _ in 0..205 {
            all.push(site.started(ada().orgs(NOBODY)).await);
            site.pass(minutes(1));
        }
        set_orgs(&site, ["acme"]).await;
        for browser in &all {
            assert_eq!(site.record(browser).await.memberships().len(), 1);
        }
        site.revoke_org("acme").await;
        assert!(site.curfew.list("ada").await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn trap_15_a_policy_set_while_a_request_is_under_way_binds_all_the_same() {
    on_every_store_with(
        |builder| builder.timeout(Duration::MINUTE),
        async |site| {
            let mut ada = site.started(ada()).await;
            site.pass(days(10));
            let mut held = site.store.hold("touch");
            let mut slow = ada.clone();
            let slow = tokio::spawn(async move { slow.open("/").await });
            held.arrived().await;
            site.set_policy("acme", absolute(7)).await;
            held.release();
            assert_eq!(slow.await.unwrap().status, 200, "it was judged before");
            assert_eq!(site.record(&ada).await.last_seen(), site.now());
            assert_eq!(ada.turned_away_because().await, "absolute acme");
        },
    )
    .await;
}

#[tokio::test]
async fn trap_15_a_policy_set_while_somebody_signs_in_or_joins_binds_them() {
    on_every_store_with(
        |builder| builder.timeout(Duration::MINUTE),
        async |site| {
            site.set_policy("acme", absolute(27)).await;
            let mut held = site.store.hold("insert");
            let mut signs_in = site.browser();
            let signs_in = tokio::spawn(async move {
                signs_in.sign_in("ada", &["acme"]).await;
                signs_in
            });
            held.arrived().await;
            site.set_policy("acme", absolute(7)).await;
            held.release();
            let signed_in = signs_in.await.unwrap();
            let stamp = site.record(&signed_in).await.memberships()[0].stamp;
            assert!(stamp.version < site.store.rules("acme").await.unwrap().version());

            let joined = site.started(NewSession::for_user("grace")).await;
            let mut held = site.store.hold("set_orgs");
            let curfew = site.curfew.clone();
            let joins = tokio::spawn(async move { curfew.set_orgs("grace", ["acme"]).await });
            held.arrived().await;
            site.set_policy("acme", absolute(5)).await;
            held.release();
            joins.await.unwrap().unwrap();
            let mut pair = [signed_in, joined];
            site.ends_in(days(5), &mut pair, "absolute acme").await;
        },
    )
    .await;
}

#[tokio::test]
async fn trap_15_a_policy_set_while_somebody_leaves_fixes_their_end_too() {
    on_every_store_with(
        |builder| builder.timeout(Duration::MINUTE),
        async |site| {
            let mut pair = site.started_twice(ada()).await;
            site.pass(days(1));
            let mut held = site.store.hold("set_orgs");
            let curfew = site.curfew.clone();
            let leaves = tokio::spawn(async move { curfew.set_orgs("ada", NOBODY).await });
            held.arrived().await;
            site.set_policy("acme", absolute(7)).await;
            held.release();
            leaves.await.unwrap().unwrap();
            site.ends_in(days(6), &mut pair, "absolute acme").await;
        },
    )
    .await;
}
