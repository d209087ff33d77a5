//! Every node has a copy of all rules: what that costs, and what it must never cause.

use tokio::task::JoinSet;
use tower_curfew::{Limits, NewSession, OrgPolicy};

use crate::support::{Browser, Fault, Site, days, hours, minutes, on_every_store};

fn ada() -> NewSession {
    NewSession::for_user("ada").orgs(["acme"])
}

async fn open(node: &Site, browser: &Browser) -> Vec<&'static str> {
    node.store.calls();
    browser.at(&node.router).open("/landing").await;
    node.store.calls()
}

#[tokio::test]
async fn r07_a_request_costs_one_call_and_two_when_something_is_to_be_written() {
    on_every_store(async |site| {
        let mut ada = site.started(ada()).await;
        assert!(ada.is_signed_in().await);
        assert_eq!(open(&site, &ada).await, ["load"]);
        site.pass(hours(1));
        assert_eq!(open(&site, &ada).await, ["load", "touch"], "activity is due");
        assert_eq!(open(&site, &ada).await, ["load"]);
        site.pass(days(28));
        assert_eq!(open(&site, &ada).await, ["load", "end"], "it is found over");
        assert_eq!(open(&site, &ada).await, ["load"]);

        let mut garbage = site.browser();
        for cookie in ["__Host-session=garbage", "__Host-session=", "other=1"] {
            garbage.cookie = Some(cookie.to_owned());
            assert_eq!(open(&site, &garbage).await, [""; 0], "{cookie}");
        }
    })
    .await;
}

#[tokio::test]
async fn r14_a_policy_that_was_saved_elsewhere_costs_each_node_one_more_call_once() {
    on_every_store(async |site| {
        let [one, other] = [site.another_node(|b| b).await, site.another_node(|b| b).await];
        let [ada, grace] = [site.started(ada()).await, site.started(ada()).await];
        for node in [&one, &other] {
            open(node, &ada).await;
            assert_eq!(open(node, &ada).await, ["load"], "its copy is warm");
        }
        site.set_policy("globex", OrgPolicy::absolute(days(1))).await;
        for node in [&one, &other] {
            assert_eq!(open(node, &ada).await, ["load", "rules_since"]);
            assert_eq!(open(node, &ada).await, ["load"]);
            assert_eq!(open(node, &grace).await, ["load"], "once for all");
        }
        // One's own organization asks for activity to be recorded, too.
        site.pass(minutes(1));
        site.set_policy("acme", OrgPolicy::absolute(days(1))).await;
        assert_eq!(open(&one, &ada).await, ["load", "rules_since", "touch"]);
        assert_eq!(open(&other, &ada).await, ["load", "rules_since"]);
        assert_eq!(open(&other, &ada).await, ["load"]);
    })
    .await;
}

/// How the limits of two handles on one store differ.
const LONG: Limits = Limits::idle(time::Duration::days(28));
const SHORT: Limits = Limits::idle(time::Duration::hours(1));

/// A policy ends a session while nobody looks, is cleared, and ten days later a handle with
/// shorter limits saves another one: it must not forget what still binds.
async fn a_handle_with_shorter_limits_revives_nobody(policy: OrgPolicy, over_after: i64) {
    on_every_store(async |site| {
        for short_clears in [false, true] {
            let long = site.another_node(|builder| builder.limits(LONG)).await;
            let short = site.another_node(|builder| builder.limits(SHORT)).await;
            short.started(NewSession::for_user("grace")).await;
            let [first, second] = [long.started(ada()).await, long.started(ada()).await];
            long.set_policy("acme", policy).await;
            site.pass(hours(1));
            let clears = if short_clears { &short } else { &long };
            clears.set_policy("acme", None).await;
            site.pass(days(10) - hours(1));
            short.set_policy("acme", OrgPolicy::absolute(days(90))).await;
            short.set_policy("acme", None).await;
            let because = if over_after == 0 { "idle acme" } else { "absolute acme" };
            assert_eq!(first.at(&long.router).turned_away_because().await, because);
            assert!(long.curfew.list("ada").await.unwrap().is_empty());
            assert_eq!(second.at(&long.router).turned_away_because().await, because);
        }
    })
    .await;
}

#[tokio::test]
async fn r22_trap_45_an_idle_limit_that_struck_unseen_binds_whoever_prunes_the_history() {
    a_handle_with_shorter_limits_revives_nobody(OrgPolicy::idle(minutes(15)), 0).await;
}

#[tokio::test]
async fn r22_trap_45_an_absolute_limit_that_struck_unseen_binds_whoever_prunes_the_history() {
    a_handle_with_shorter_limits_revives_nobody(OrgPolicy::absolute(hours(8)), 8).await;
}

#[tokio::test]
async fn r22_trap_45_a_handle_of_tokens_with_longer_limits_counts_too() {
    on_every_store(async |site| {
        let tokens = site.another_node(|b| b.limits(SHORT).token_limits(LONG)).await;
        let short = site.another_node(|builder| builder.limits(SHORT).token_limits(SHORT)).await;
        let mut laptop = tokens.program(ada().named("laptop")).await;
        tokens.set_policy("acme", OrgPolicy::idle(minutes(15))).await;
        site.pass(hours(1));
        short.set_policy("acme", None).await;
        site.pass(days(10));
        short.set_policy("acme", OrgPolicy::absolute(days(90))).await;
        assert_eq!(laptop.fetch("GET", "/").await.unauthorized_because(), "idle acme");
    })
    .await;
}

#[tokio::test]
async fn trap_53_a_late_answer_about_older_rules_is_not_filed_as_current() {
    on_every_store(async |site| {
        let node = site.another_node(|builder| builder.timeout(minutes(1))).await;
        let ada = site.started(ada()).await;
        open(&node, &ada).await;
        // Two changes; the answer about the first is on its way when the second is made.
        site.set_policy("acme", OrgPolicy::absolute(days(9))).await;
        let mut held = node.store.hold_answer("rules_since");
        let mut slow = ada.at(&node.router);
        let asked = tokio::spawn(async move { slow.open("/landing").await.status });
        held.arrived().await;
        site.revoke_org("acme").await;
        held.release();
        asked.await.unwrap();
        assert_eq!(ada.at(&node.router).turned_away_because().await, "revoked acme");
    })
    .await;
}

#[tokio::test]
async fn r32_while_the_rules_cannot_be_fetched_nobody_is_let_in_or_signed_out_and_then_all_goes_on()
{
    on_every_store(async |site| {
        let node = site.another_node(|builder| builder).await;
        let ada = site.started(ada()).await;
        open(&node, &ada).await;
        site.set_policy("globex", OrgPolicy::absolute(days(9))).await;
        node.store.break_only("rules_since", Fault::Fail);
        for _ in 0..2 {
            let answer = ada.at(&node.router).open("/").await;
            assert_eq!((answer.status.as_u16(), answer.set_cookies()), (503, vec![]));
        }
        node.store.mend();
        assert!(ada.at(&node.router).is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r22_more_organizations_than_one_page_of_rules_holds_are_all_known() {
    on_every_store(async |site| {
        // Three pages of rules, which are there before any node has a copy: each sign-in reads at
        // least one, so a node that stops too soon would have two of them nevertheless.
        for first in (0..2_100).step_by(50) {
            let mut revoked = JoinSet::new();
            for number in first..first + 50 {
                let curfew = site.curfew.clone();
                let org = format!("org-{number}");
                revoked.spawn(async move { curfew.operator("tests").revoke_org(&org).await });
            }
            assert!(revoked.join_all().await.iter().all(Result::is_ok));
        }
        site.set_policy("org-0", OrgPolicy::absolute(days(1))).await;
        site.set_policy("org-2099", OrgPolicy::absolute(days(2))).await;
        let node = site.another_node(|builder| builder).await;
        let member = |org| NewSession::for_user("ada").orgs([org]);
        let mut first = node.started_twice(member("org-0")).await;
        let mut last = node.started_twice(member("org-2099")).await;
        node.ends_in(days(1), &mut first, "absolute org-0").await;
        node.ends_in(days(1), &mut last, "absolute org-2099").await;
    })
    .await;
}
