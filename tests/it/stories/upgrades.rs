//! Nodes of two versions side by side: what this one does with what only a later one knows.

use std::sync::Arc;

use tower_curfew::store::{Inserted, OrgRules, Record, Store as _};
use tower_curfew::{ClientInfo, ErrorKind, NewSession, OrgPolicy};

use crate::support::{Browser, Kept, Site, days, hours, on_every_store};

/// What a later version has made of facts: one more, that this one may pass over or not.
fn with_later_fact(facts: &[u8], essential: bool) -> Vec<u8> {
    let (end, rest) = facts.split_last().unwrap();
    // Facts are a map without a length, from numbers to values. An odd number is essential.
    let number: u16 = if essential { 16_001 } else { 16_000 };
    let [high, low] = number.to_be_bytes();
    [rest, &[0x19, high, low], b"\x65later", &[*end]].concat()
}

fn has_later_fact(facts: &[u8]) -> bool {
    facts.windows(5).any(|bytes| bytes == b"later")
}

/// Somebody who has signed in at a node of a later version.
async fn signed_in_later(site: &Site, new: NewSession) -> Browser {
    let scratch = Site::new();
    scratch.clock.set(site.now());
    let browser = scratch.started(new).await;
    let facts = scratch.record(&browser).await.encode();
    let record = Arc::new(Record::decode(&with_later_fact(&facts, false)).unwrap());
    assert_eq!(site.store.insert(record, None).await.unwrap(), Inserted::Done);
    browser.at(&site.router)
}

/// A policy that a node of a later version has saved.
async fn policy_of_a_later_version(site: &Site, org: &str, policy: OrgPolicy) {
    let scratch = Site::new();
    scratch.clock.set(site.now());
    scratch.set_policy(org, policy).await;
    let facts = scratch.store.rules(org).await.unwrap().encode();
    let rules = OrgRules::decode(&with_later_fact(&facts, false)).unwrap();
    assert!(site.store.replace_rules(org, rules, site.now()).await.unwrap());
}

#[tokio::test]
async fn a_session_with_a_fact_of_a_later_version_keeps_it_whatever_this_one_does_with_it() {
    on_every_store(async |site| {
        let orgs = NewSession::for_user("ada").orgs(["acme"]).link("oidc", "sid");
        let mut ada = signed_in_later(&site, orgs).await;
        let facts = async |browser: &Browser| site.record(browser).await.encode();
        assert!(ada.is_signed_in().await);
        assert!(has_later_fact(&facts(&ada).await), "read");
        site.pass(hours(2));
        assert!(ada.is_signed_in().await);
        assert_eq!(site.record(&ada).await.last_seen(), site.now());
        assert!(has_later_fact(&facts(&ada).await), "touched");
        assert_eq!(ada.post("/rotate").await.status, 200);
        assert!(has_later_fact(&facts(&ada).await), "rotated");
        site.curfew.set_orgs("ada", ["globex"]).await.unwrap();
        assert!(has_later_fact(&facts(&ada).await), "moved");
        assert_eq!(site.curfew.list("ada").await.unwrap().len(), 1);
        assert!(has_later_fact(&facts(&ada).await), "listed");
        let copy = ada.clone();
        assert_eq!(ada.post("/logout").await.status, 200);
        assert!(has_later_fact(&facts(&copy).await), "ended");
    })
    .await;
}

#[tokio::test]
async fn rules_with_a_fact_of_a_later_version_bind_and_keep_it() {
    on_every_store(async |site| {
        let week = OrgPolicy::absolute(days(7));
        policy_of_a_later_version(&site, "acme", week).await;
        assert_eq!(site.curfew.policy("acme").await.unwrap().unwrap().policy, Some(week));
        let facts = async || site.store.rules("acme").await.unwrap().encode();
        let mut pair = site.started_twice(NewSession::for_user("ada").orgs(["acme"])).await;
        site.set_policy("acme", OrgPolicy::absolute(days(3))).await;
        assert!(has_later_fact(&facts().await), "a policy was saved");
        site.ends_in(days(3), &mut pair, "absolute acme").await;
        site.revoke_org("acme").await;
        assert!(has_later_fact(&facts().await), "all were revoked");
        site.set_policy("acme", None).await;
        assert!(has_later_fact(&facts().await), "the policy was cleared");
    })
    .await;
}

#[tokio::test]
async fn r32_a_session_that_only_a_later_version_can_read_is_503_and_nobody_elses_matter() {
    on_every_store(async |site| {
        let mut ada = site.started(NewSession::for_user("ada")).await;
        let mut grace = site.started(NewSession::for_user("grace")).await;
        let facts = site.record(&ada).await.encode();
        let later = with_later_fact(&facts, true);
        assert!(Record::decode(&later).is_err());
        if !site.store.overwrite(Kept::Session(ada.session()), &later).await {
            return;
        }
        for path in ["/", "/presence", "/landing"] {
            let answer = ada.open(path).await;
            assert_eq!((answer.status.as_u16(), answer.set_cookies()), (503, vec![]), "{path}");
        }
        assert!(grace.is_signed_in().await);
        let same = site.store.overwrite(Kept::Session(ada.session()), &facts).await;
        assert!(same && ada.is_signed_in().await, "once all nodes know it");
    })
    .await;
}

#[tokio::test]
async fn r32_rules_that_only_a_later_version_can_read_are_503_for_whom_they_bind_and_nobody_else() {
    on_every_store(async |site| {
        let mut ada = site.started(NewSession::for_user("ada").orgs(["acme"])).await;
        let mut grace = site.started(NewSession::for_user("grace").orgs(["globex"])).await;
        site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
        assert!(ada.is_signed_in().await, "this node has a copy");
        let facts = site.store.rules("acme").await.unwrap().encode();
        let later = with_later_fact(&facts, true);
        assert!(OrgRules::decode(&later).is_err());
        if !site.store.overwrite(Kept::Rules("acme"), &later).await {
            return;
        }
        // It has no copy yet.
        let node = site.another_node(|builder| builder).await;
        let answer = ada.at(&node.router).open("/").await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies()), (503, vec![]));
        assert!(grace.at(&node.router).is_signed_in().await);
        let refused =
            node.curfew.operator("tests").set_policy("acme", OrgPolicy::absolute(days(1))).await;
        assert_eq!(
            refused.unwrap_err().kind(),
            ErrorKind::Unavailable,
            "nothing is written over it"
        );
        let eve = NewSession::for_user("eve").orgs(["acme"]);
        let joins = node.curfew.start(eve, &ClientInfo::for_tests()).await;
        assert_eq!(joins.unwrap_err().kind(), ErrorKind::Unavailable);
        node.set_policy("globex", OrgPolicy::absolute(days(7))).await;
        assert!(ada.is_signed_in().await && grace.is_signed_in().await, "the copy goes on");
    })
    .await;
}
