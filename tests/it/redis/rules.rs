//! What becomes of rules that are lost, though they never expire.

use redis::AsyncCommands as _;
use time::Duration;
use tower_curfew::store::{OrgRules, Revision, Store as _};
use tower_curfew::{ClientInfo, Curfew, ErrorKind, NewSession, OrgPolicy};

use super::support::{first_rules, handle, now, place};

/// Sessions go on by what stands, which is nothing, on every node at once; and what is set afterwards
/// is taken for nothing that was there before.
#[tokio::test]
async fn lost_rules_are_as_if_nobody_had_ever_set_any() {
    let Some(mut place) = place("lost_rules_are_as_if_nobody_had_ever_set_any").await else {
        return;
    };
    let (node, other) = (place.handle(), handle(place.another_node().await));
    let id = a_member_under_a_policy(&node).await;
    assert_eq!(bound_by(&other).await.as_deref(), Some("acme"));
    let before = place.store.load(id).await.unwrap().unwrap().rules;
    for name in ["head", "bodies", "places"] {
        place.delete("{rules}:", name).await;
    }

    assert_eq!(place.store.load(id).await.unwrap().unwrap().rules, Revision::NONE);
    let changed = place.store.rules_since(Revision::NONE, 9).await.unwrap();
    assert_eq!((changed.changes.len(), changed.reaches), (0, Revision::NONE));
    for node in [&node, &other] {
        assert_eq!(bound_by(node).await, None, "the copy is not believed any more");
        assert_eq!(node.policy("acme").await.unwrap(), None);
    }

    node.operator("tests").set_policy("acme", WEEK).await.unwrap();
    assert!(before < place.store.load(id).await.unwrap().unwrap().rules);
    for node in [&node, &other] {
        assert_eq!(bound_by(node).await.as_deref(), Some("acme"));
        assert_eq!(node.policy("acme").await.unwrap().unwrap().policy, Some(WEEK));
    }
    place.clear().await;
}

/// An organization whose rules are gone, while others say that there are some, is no organization
/// without rules.
#[tokio::test]
async fn rules_of_which_only_the_names_are_left_are_an_error() {
    let Some(mut place) = place("rules_of_which_only_the_names_are_left_are_an_error").await else {
        return;
    };
    let node = place.handle();
    a_member_under_a_policy(&node).await;
    place.delete("{rules}:", "bodies").await;
    let error = place.store.rules_since(Revision::NONE, 9).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("acme"), "{error:?}");
    let error = place.handle().list("ada").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "a node that knows no rules lets nobody in");
    assert_eq!(bound_by(&node).await.as_deref(), Some("acme"), "one that does goes by them");
    place.clear().await;
}

/// The next change of any rules puts it right.
#[tokio::test]
async fn a_lost_revision_of_all_rules_loses_no_rules() {
    let Some(mut place) = place("a_lost_revision_of_all_rules_loses_no_rules").await else {
        return;
    };
    let node = place.handle();
    let id = a_member_under_a_policy(&node).await;
    let before = place.store.load(id).await.unwrap().unwrap().rules;
    place.delete("{rules}:", "head").await;
    assert_eq!(bound_by(&node).await.as_deref(), Some("acme"));
    node.operator("tests").revoke_org("globex").await.unwrap();
    assert!(before < place.store.load(id).await.unwrap().unwrap().rules);
    for node in [&node, &place.handle()] {
        assert_eq!(bound_by(node).await.as_deref(), Some("acme"));
    }
    place.clear().await;
}

#[tokio::test]
async fn rules_that_are_nonsense_are_an_error_for_those_whom_they_bind() {
    let name = "rules_that_are_nonsense_are_an_error_for_those_whom_they_bind";
    let Some(mut place) = place(name).await else { return };
    a_member_under_a_policy(&place.handle()).await;
    assert!(place.store.replace_rules("globex", first_rules().await, now()).await.unwrap());
    let bodies = place.key("{rules}:", "bodies");
    let mut body: Vec<u8> = place.raw.hget(&bodies, "acme").await.unwrap();
    body.truncate(30);
    let () = place.raw.hset(&bodies, "acme", body).await.unwrap();
    let changed = place.store.rules_since(Revision::NONE, 9).await.unwrap().changes;
    let readable = changed.iter().filter(|changed| changed.rules.is_ok());
    let readable: Vec<_> = readable.map(|changed| &*changed.org).collect();
    assert_eq!(readable, [OrgRules::EVERYONE, "globex"]);
    assert_eq!(changed.len(), 3);
    let error = place.handle().list("ada").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let new = NewSession::for_user("bob").orgs(["globex"]);
    let _ = place.handle().start(new, &ClientInfo::for_tests()).await.unwrap();
    assert_eq!(place.handle().list("bob").await.unwrap().len(), 1);
    place.clear().await;
}

async fn a_member_under_a_policy(node: &Curfew) -> tower_curfew::SessionId {
    let new = NewSession::for_user("ada").orgs(["acme"]);
    let _ = node.start(new, &ClientInfo::for_tests()).await.unwrap();
    node.operator("tests").set_policy("acme", WEEK).await.unwrap();
    assert_eq!(bound_by(node).await.as_deref(), Some("acme"));
    node.list("ada").await.unwrap().remove(0).id()
}

/// By which organization's policy the only session of a user will end.
async fn bound_by(node: &Curfew) -> Option<String> {
    let session = node.list("ada").await.unwrap().remove(0);
    session.bound_by().unwrap().org.as_deref().map(str::to_owned)
}

const WEEK: OrgPolicy = OrgPolicy::absolute(Duration::days(7));
