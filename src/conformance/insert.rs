use std::net::IpAddr;
use std::sync::Arc;

use time::Duration;

use super::{
    active, assert_same, began_at, ended, ids_listed, insert, load, member, minute, race, record,
    replace, unique,
};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::session::{
    ClientDetails, FixedDeadline, Key, Link, MAX_LABEL, SessionId, SessionKind, Stamp,
};
use crate::store::{Cap, Inserted, Store};
use crate::token::random_id;

/// Every fact of a record is read back as it was set, with many facts or few.
pub async fn insert_files_a_record_as_it_is<S: Store>(store: Arc<S>) {
    let org = unique("org");
    let whole = || {
        let client = ClientDetails {
            agent: Some("Mozilla/5.0 (X11; Linux)".into()),
            device: Some("Firefox on Linux".into()),
            address: Some(IpAddr::from([203, 0, 113, 7])),
            location: Some("Genève".into()),
        };
        member(&unique("user"), &[&org, &unique("org")])
            .with_name(Some("laptop".into()))
            .with_links(vec![Link { kind: "oidc".into(), value: unique("sid") }])
            .with_fixed_deadline(Some(FixedDeadline { at: minute(9), org: Some(org.clone()) }))
            .with_everyone(Stamp { generation: 1, version: u64::MAX >> 1, known: 3 })
            .with_authentication(minute(2))
            .with_client(&client)
    };
    // Times are whole milliseconds everywhere, and are not rounded.
    let odd = minute(0) + Duration::milliseconds(1);
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    let cases = [
        ("all there is to know", whole()),
        ("little", record(&unique("user"))),
        ("a token", whole().with_kind(SessionKind::Token)),
        ("until the browser closes", whole().with_kind(SessionKind::BrowserUntilClosed)),
        (
            "an IPv6 address",
            whole().with_client(&ClientDetails { address: Some(v6), ..ClientDetails::default() }),
        ),
        ("never due", whole().with_purge_after(Timestamp::NEVER)),
        ("no limits", whole().with_limits(Limits::unlimited())),
        ("a millisecond of idleness", whole().with_limits(Limits::idle(Duration::MILLISECOND))),
        ("odd milliseconds", began_at(odd, random_id(), &unique("user"))),
        ("before 1970", began_at(Timestamp::from_unix_millis(-1), random_id(), &unique("user"))),
        ("all bits of an id", began_at(minute(0), SessionId::from_bytes([0xff; 16]), &org)),
        ("no bit of an id", began_at(minute(0), SessionId::from_bytes([0; 16]), &org)),
    ];
    for (label, record) in cases {
        let id = record.id();
        // The ids of all bits and of no bits exist if the tests ran before.
        if store.load(id).await.unwrap().is_none() {
            let record = insert(&*store, record).await;
            assert_same(&load(&*store, id).await.record, &record, label);
        }
    }
}

/// The longest labels, in any script, and with any character but NUL.
pub async fn insert_keeps_labels_of_any_kind_and_length<S: Store>(store: Arc<S>) {
    let longest = || {
        let mut label = random_id().to_string();
        while label.len() + 4 <= MAX_LABEL {
            label.push('🦀');
        }
        label.push('é');
        assert_eq!(label.len(), MAX_LABEL);
        Arc::<str>::from(label)
    };
    let odd =
        || -> Arc<str> { format!("{} '\"\\:*%_{{}}\u{1}\n\u{7f}\u{200b}", random_id()).into() };
    for label in [longest, odd] {
        let (user, org, value) = (label(), label(), label());
        let client = ClientDetails {
            agent: Some(label()),
            device: Some(label()),
            location: Some(label()),
            address: None,
        };
        let record = member(&user, &[&org])
            .with_name(Some(label()))
            .with_links(vec![Link { kind: "x".repeat(32).into(), value: value.clone() }])
            .with_fixed_deadline(Some(FixedDeadline { at: minute(7), org: Some(org.clone()) }))
            .with_client(&client);
        let record = insert(&*store, record).await;
        assert_same(&load(&*store, record.id()).await.record, &record, "the same labels");
        for key in [Key::user(&user), Key::org(&org), Key::link(&"x".repeat(32), &value)] {
            assert_eq!(ids_listed(&*store, &key).await, [record.id()], "{key:?}");
        }
    }
}

/// Its user, each of its organizations, and each of its links. (R24, R40)
pub async fn insert_lists_a_record_under_each_of_its_keys<S: Store>(store: Arc<S>) {
    let (user, acme, globex) = (unique("user"), unique("acme"), unique("globex"));
    let links = ["a", "b", "c", "d"].map(|kind| Link { kind: kind.into(), value: unique("value") });
    let record = member(&user, &[&acme, &globex]).with_links(links.to_vec());
    assert_eq!(record.keys().len(), 7);
    let record = insert(&*store, record).await;
    for key in record.keys() {
        assert_eq!(ids_listed(&*store, &key).await, [record.id()], "{key:?}");
    }
    let other_kind = Key::link("b", &links[0].value);
    assert_eq!(ids_listed(&*store, &other_kind).await, [], "a link has a kind, too");
}

/// A caller that did not get the answer repeats the call, and it is the same sign-in, even if the
/// session has been used since.
pub async fn insert_again_is_the_same_insert<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let cap = Some(Cap { at_most: 1, except: None });
    let record = insert(&*store, member(&user, &[&org])).await;
    for _ in 0..2 {
        assert_eq!(store.insert(record.clone(), cap).await.unwrap(), Inserted::Done);
    }
    let used = replace(&*store, active(&record, 1)).await;
    assert_eq!(store.insert(record, cap).await.unwrap(), Inserted::Done);
    assert_same(&load(&*store, used.id()).await.record, &used, "nothing is overwritten");
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, [used.id()]);
    assert_eq!(ids_listed(&*store, &Key::org(&org)).await, [used.id()]);
}

/// There is no upsert: an id that exists with another secret is an error, ended or not. (R5)
pub async fn insert_refuses_an_id_that_is_somebody_elses<S: Store>(store: Arc<S>) {
    for has_ended in [false, true] {
        let mut first = insert(&*store, record(&unique("user"))).await;
        if has_ended {
            first = replace(&*store, ended(&first)).await;
        }
        let user = unique("somebody else");
        let second = began_at(minute(1), first.id(), &user);
        assert_ne!(second.secret_hash(), first.secret_hash());
        assert!(store.insert(Arc::new(second), None).await.is_err(), "it exists");
        assert_same(&load(&*store, first.id()).await.record, &first, "nothing has changed");
        assert_eq!(ids_listed(&*store, &Key::user(&user)).await, [], "and nothing is listed");
    }
}

/// Exactly as many as the cap allows; sessions of other users do not count. (R29)
pub async fn insert_files_exactly_as_many_as_the_cap<S: Store>(store: Arc<S>) {
    let (user, other) = (unique("user"), unique("other"));
    let org = unique("org");
    insert(&*store, member(&other, &[&org])).await;
    let insert = async |at_most: Option<u32>| {
        let cap = at_most.map(|at_most| Cap { at_most, except: None });
        store.insert(Arc::new(member(&user, &[&org])), cap).await.unwrap()
    };
    for _ in 0..3 {
        assert_eq!(insert(Some(3)).await, Inserted::Done);
    }
    assert_eq!(insert(Some(3)).await, Inserted::Full);
    assert_eq!(insert(Some(1)).await, Inserted::Full);
    assert_eq!(insert(Some(4)).await, Inserted::Done);
    assert_eq!(insert(None).await, Inserted::Done);
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await.len(), 5);
}

/// [`Inserted::Full`] inserts nothing. (R29)
pub async fn insert_that_is_full_changes_nothing<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let first = insert(&*store, record(&user)).await;
    let second = Arc::new(member(&user, &[&org]));
    let cap = Some(Cap { at_most: 1, except: None });
    assert_eq!(store.insert(second.clone(), cap).await.unwrap(), Inserted::Full);
    assert!(store.load(second.id()).await.unwrap().is_none(), "it is not filed");
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, [first.id()]);
    assert_eq!(ids_listed(&*store, &Key::org(&org)).await, []);
    // It may be inserted later.
    assert_eq!(store.insert(second.clone(), None).await.unwrap(), Inserted::Done);
    assert_eq!(ids_listed(&*store, &Key::org(&org)).await, [second.id()]);
}

/// The session that is replaced makes room, though it has not ended yet; a session of another user
/// does not. (R28, R29)
pub async fn insert_does_not_count_the_one_whose_place_it_takes<S: Store>(store: Arc<S>) {
    let (user, other) = (unique("user"), unique("other"));
    let old = insert(&*store, record(&user)).await;
    let somebody_elses = insert(&*store, record(&other)).await;
    let insert = async |except: SessionId| {
        let cap = Some(Cap { at_most: 1, except: Some(except) });
        store.insert(Arc::new(record(&user)), cap).await.unwrap()
    };
    assert_eq!(insert(somebody_elses.id()).await, Inserted::Full);
    assert_eq!(insert(random_id()).await, Inserted::Full);
    assert_eq!(insert(old.id()).await, Inserted::Done);
    assert_eq!(insert(old.id()).await, Inserted::Full, "by now there is another one");
    assert!(!load(&*store, old.id()).await.record.has_ended(), "it ends nothing");
}

/// Ended sessions do not count, deleted or not. (R29)
pub async fn insert_does_not_count_what_has_ended<S: Store>(store: Arc<S>) {
    let user = unique("user");
    let cap = Some(Cap { at_most: 1, except: None });
    let mut last = insert(&*store, record(&user)).await;
    for _ in 0..3 {
        assert_eq!(store.insert(Arc::new(record(&user)), cap).await.unwrap(), Inserted::Full);
        replace(&*store, ended(&last)).await;
        last = Arc::new(record(&user));
        assert_eq!(store.insert(last.clone(), cap).await.unwrap(), Inserted::Done);
    }
}

/// Among parallel sign-ins of one user, exactly as many succeed as the cap allows. (R29)
pub async fn insert_holds_the_cap_among_racers<S: Store>(store: Arc<S>) {
    for _ in 0..5 {
        let user = unique("user");
        let cap = Some(Cap { at_most: 5, except: None });
        let racers = (0..32).map(|_| {
            let (store, record) = (store.clone(), Arc::new(record(&user)));
            async move { store.insert(record, cap).await.unwrap() }
        });
        let answers = race(racers).await;
        let filed = answers.iter().filter(|answer| **answer == Inserted::Done).count();
        assert_eq!(filed, 5, "as many as the cap allows");
        assert_eq!(ids_listed(&*store, &Key::user(&user)).await.len(), 5, "and no more are there");
    }
}
