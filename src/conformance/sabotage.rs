use std::future::Future;
use std::sync::Arc;

use super::{
    active, assert_same, ended, ids_listed, insert, load, member, minute, record, replace,
    rules_of, stands, unique,
};
use crate::policy::OrgRules;
use crate::session::{Key, SessionId};
use crate::store::{Cap, Inserted, Replaced, Store, StoreError};
use crate::token::nonce;

/// Faults that the tests cause in a store.
pub trait Sabotage {
    /// Cuts all connections of the store, as a restarting server does.
    fn cut_connections(&self) -> impl Future<Output = ()> + Send;

    /// Deletes a record alone: it stays listed in the index.
    fn lose_record(&self, id: SessionId) -> impl Future<Output = ()> + Send;
}

/// After its connections were cut, a store soon answers again without help, and a call repeated
/// because its answer was lost gets the same answer as the first. (Traps 47 and 54)
pub async fn cut_connections_come_back_and_repeat_nothing_wrongly<S>(store: Arc<S>)
where
    S: Store + Sabotage,
{
    let (user, org) = (unique("user"), unique("org"));
    let before = stands(&*store).await;
    let mut rules = OrgRules::none();
    let mut last = insert(&*store, member(&user, &[&org])).await;
    for round in 1..=5 {
        store.cut_connections().await;
        let next = Arc::new(active(&last, round));
        assert_eq!(answered(|| store.replace(next.clone())).await, Replaced::Done);
        last = next;
        store.cut_connections().await;
        let loaded = answered(|| store.load(last.id())).await.expect("it is there");
        assert_same(&loaded.record, &last, "as it was left");
        store.cut_connections().await;
        rules = rules.with_revocation(minute(1), nonce());
        assert!(answered(|| store.replace_rules(&org, rules.clone(), minute(1))).await);
        assert_eq!(rules_of(&*store, &org, before).await.unwrap().encode(), rules.encode());
        store.cut_connections().await;
        let new = Arc::new(record(&user));
        assert_eq!(answered(|| store.insert(new.clone(), None)).await, Inserted::Done);
        replace(&*store, ended(&new)).await;
    }
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, [last.id()]);
}

/// An index entry without a record shows no session, hides no session, and does not count under a
/// cap once the key was listed. (Trap 55)
pub async fn an_entry_whose_record_is_lost_hides_nothing_and_counts_no_more<S>(store: Arc<S>)
where
    S: Store + Sabotage,
{
    let (user, org) = (unique("user"), unique("org"));
    let lost = insert(&*store, member(&user, &[&org])).await;
    let stays = insert(&*store, member(&user, &[&org])).await;
    store.lose_record(lost.id()).await;
    assert!(store.load(lost.id()).await.unwrap().is_none());
    for key in [Key::user(&user), Key::org(&org)] {
        assert_eq!(ids_listed(&*store, &key).await, [stays.id()], "{key:?}");
    }
    let cap = Some(Cap { at_most: 2, except: None });
    let new = Arc::new(record(&user));
    assert_eq!(store.insert(new.clone(), cap).await.unwrap(), Inserted::Done);
    assert_eq!(store.insert(Arc::new(record(&user)), cap).await.unwrap(), Inserted::Full);
    assert_same(&load(&*store, new.id()).await.record, &new, "and the new one is whole");
}

/// The answer, which arrives after a few tries at most.
async fn answered<T, F>(call: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut last = None;
    for _ in 0..100 {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it does not come back: {last:?}")
}
