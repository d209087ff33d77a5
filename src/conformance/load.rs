use std::sync::Arc;

use super::{active, ended, insert, load, race, record, replace, replace_rules, unique};
use crate::policy::OrgRules;
use crate::store::Store;
use crate::token::{nonce, random_id};

/// A missing session is an answer, and loading creates nothing. (Trap 7)
pub async fn load_of_an_unknown_session_is_none<S: Store>(store: Arc<S>) {
    let id = random_id();
    for _ in 0..2 {
        assert!(store.load(id).await.unwrap().is_none());
    }
}

/// An answer without waiting is the same as the store's, for a session in any state.
pub async fn load_now_says_nothing_else_than_load<S: Store>(store: Arc<S>) {
    let same = async |id| {
        let loaded = store.load(id).await.unwrap();
        if let Some(now) = store.load_now(id) {
            let loaded = loaded.expect("there is no such session");
            assert_eq!(now.record, loaded.record);
            assert_eq!(now.rules, loaded.rules);
        }
    };
    same(random_id()).await;
    let session = insert(&*store, record(&unique("user"))).await;
    same(session.id()).await;
    let session = replace(&*store, active(&session, 2)).await;
    same(session.id()).await;
    let rules = OrgRules::none().with_revocation(super::minute(1), nonce());
    assert!(replace_rules(&*store, &unique("org"), &rules).await);
    same(session.id()).await;
    replace(&*store, ended(&session)).await;
    same(session.id()).await;
}

/// A caller in a batch gets its own session, never another one.
pub async fn load_of_many_at_once_finds_each_its_own<S: Store>(store: Arc<S>) {
    let user = unique("user");
    let mut sessions = Vec::new();
    for _ in 0..50 {
        sessions.push((insert(&*store, record(&user)).await.id(), true));
        sessions.push((random_id(), false));
    }
    let loads = sessions.into_iter().map(|(id, is_there)| {
        let store = store.clone();
        async move {
            for _ in 0..10 {
                let loaded = store.load(id).await.unwrap();
                assert_eq!(loaded.map(|loaded| loaded.record.id()), is_there.then_some(id));
            }
        }
    });
    race(loads).await;
}

/// Each record comes with the revision of all rules, which every change raises: a caller that has
/// read it can notice each change made before. (R14)
pub async fn load_says_at_which_revision_the_rules_stand<S: Store>(store: Arc<S>) {
    let session = insert(&*store, record(&unique("user"))).await;
    let (mut rules, org) = (OrgRules::none(), unique("org"));
    let mut last = load(&*store, session.id()).await.rules;
    for _ in 0..5 {
        rules = rules.with_revocation(super::minute(1), nonce());
        assert!(replace_rules(&*store, &org, &rules).await);
        let now = load(&*store, session.id()).await.rules;
        assert!(last < now, "a change raises it: {last:?}, {now:?}");
        let changed = store.rules_since(last, 1000).await.unwrap();
        assert!(now <= changed.reaches, "and is among those since");
        assert!(changed.changes.iter().any(|changed| changed.org == org));
        last = now;
    }
}
