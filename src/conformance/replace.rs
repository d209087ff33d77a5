use std::sync::Arc;

use time::Duration;

use super::{
    active, assert_same, ended, ids_listed, insert, load, member, memberships, minute, race,
    random_hash, record, replace, unique, with_unknown_fact,
};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::session::{ClientDetails, EndReason, Ended, FixedDeadline, Key, Record, Stamp};
use crate::store::{Replaced, Store};
use crate::token::nonce;

/// Every fact of the next record is read back as it was set, and no other.
pub async fn replace_keeps_what_the_caller_set<S: Store>(store: Arc<S>) {
    let org = unique("org");
    let odd = minute(5) + Duration::milliseconds(999);
    let client =
        ClientDetails { device: Some("Chrome on macOS".into()), ..ClientDetails::default() };
    let ends = move |reason, org| Ended { at: odd, reason, org };
    type Change = Box<dyn Fn(Record) -> Record>;
    let changes: [(&str, Change); 12] = [
        ("nothing", Box::new(|record| record)),
        ("activity", Box::new(move |record| record.with_activity(odd))),
        ("a client", Box::new(move |record| record.with_client(&client))),
        ("no client", Box::new(|record| record.with_client(&ClientDetails::default()))),
        ("a secret", Box::new(|record| record.with_secret(random_hash()))),
        ("a fresh sign-in", Box::new(move |record| record.with_authentication(odd))),
        ("limits", Box::new(|record| record.with_limits(Limits::absolute(Duration::HOUR)))),
        ("kept for ever", Box::new(|record| record.with_purge_after(Timestamp::NEVER))),
        (
            "stamps",
            Box::new(|record| record.with_everyone(Stamp { generation: 9, version: 8, known: 7 })),
        ),
        ("a fixed end", {
            let org = org.clone();
            Box::new(move |record| {
                record.with_fixed_deadline(Some(FixedDeadline { at: odd, org: Some(org.clone()) }))
            })
        }),
        (
            "other organizations",
            Box::new(|record| record.with_memberships(memberships(&[&unique("a")]))),
        ),
        ("an end", {
            let org = org.clone();
            Box::new(move |record| record.with_end(ends(EndReason::Idle, Some(org.clone()))))
        }),
    ];
    for (label, change) in changes {
        let mut last = insert(&*store, member(&unique("user"), &[&org])).await;
        for _ in 0..2 {
            if last.has_ended() {
                break;
            }
            last = replace(&*store, change(last.next(nonce()))).await;
            assert_same(&load(&*store, last.id()).await.record, &last, label);
        }
    }
    for reason in [EndReason::Absolute, EndReason::Idle, EndReason::Revoked] {
        for org in [None, Some(unique("org"))] {
            let first = insert(&*store, record(&unique("user"))).await;
            let ended = Ended { at: odd, reason, org };
            let last = replace(&*store, first.next(nonce()).with_end(ended.clone())).await;
            let found = load(&*store, last.id()).await.record;
            assert_eq!((found.has_ended(), found.ended()), (true, Some(&ended)));
        }
    }
}

/// A caller that did not get the answer repeats the call, and it is the same change. (Trap 54)
pub async fn replace_again_is_the_same_replace<S: Store>(store: Arc<S>) {
    let user = unique("user");
    let first = insert(&*store, record(&user)).await;
    let second = Arc::new(active(&first, 1));
    for _ in 0..3 {
        assert_eq!(store.replace(second.clone()).await.unwrap(), Replaced::Done);
    }
    let last = Arc::new(ended(&second));
    for _ in 0..3 {
        assert_eq!(store.replace(last.clone()).await.unwrap(), Replaced::Done, "an end, too");
    }
    assert_same(&load(&*store, last.id()).await.record, &last, "once");
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, []);
    assert_eq!(store.replace(second).await.unwrap(), Replaced::Gone, "it has ended since");
}

/// A record replaces only the revision that it names; otherwise nothing changes.
pub async fn replace_of_an_older_revision_is_stale<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let first = insert(&*store, record(&user)).await;
    let second = replace(&*store, active(&first, 1)).await;
    for late in [
        active(&first, 9),
        ended(&first),
        first.next(nonce()).with_secret(random_hash()),
        first.next(nonce()).with_memberships(memberships(&[&org])),
        // A revision that never existed.
        active(&active(&second, 2), 3),
    ] {
        assert_eq!(store.replace(Arc::new(late)).await.unwrap(), Replaced::Stale);
        assert_same(&load(&*store, first.id()).await.record, &second, "nothing has changed");
    }
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, [first.id()]);
    assert_eq!(ids_listed(&*store, &Key::org(&org)).await, []);
    // The first record names no previous one, and is not a change.
    let again = Record::begin(first.id(), first.secret_hash(), user, minute(0), nonce());
    assert_eq!(store.replace(Arc::new(again)).await.unwrap(), Replaced::Stale);
}

/// Only an insert creates a record. (R5)
pub async fn replace_of_an_unknown_session_is_gone<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let unknown = member(&user, &[&org]);
    for change in [active(&unknown, 1), ended(&unknown)] {
        assert_eq!(store.replace(Arc::new(change)).await.unwrap(), Replaced::Gone);
    }
    assert!(store.load(unknown.id()).await.unwrap().is_none());
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, []);
    assert_eq!(ids_listed(&*store, &Key::org(&org)).await, []);
}

/// A record that has ended never changes again, even if a slower request still writes, and
/// regardless of the revision it names. (R5, trap 1)
pub async fn replace_after_the_end_is_gone<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let first = insert(&*store, member(&user, &[&org])).await;
    let last = replace(&*store, ended(&first)).await;
    let later = Ended { at: minute(60), reason: EndReason::Idle, org: Some(org.clone()) };
    for change in [
        active(&first, 4),
        active(&last, 4),
        first.next(nonce()).with_secret(random_hash()),
        first.next(nonce()).with_end(later),
        first.next(nonce()).with_memberships(memberships(&[&unique("org")])),
    ] {
        assert_eq!(store.replace(Arc::new(change)).await.unwrap(), Replaced::Gone);
    }
    assert_same(&load(&*store, first.id()).await.record, &last, "the first end stays");
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, []);
    assert_eq!(ids_listed(&*store, &Key::org(&org)).await, []);
}

/// Among writers that read the same record one wins, and the others learn it. (R7)
pub async fn replace_lets_one_of_several_racers_win<S: Store>(store: Arc<S>) {
    for _ in 0..5 {
        let first = insert(&*store, record(&unique("user"))).await;
        let changes: Vec<_> = (1..=32).map(|at| Arc::new(active(&first, at))).collect();
        let racers = changes.iter().map(|change| {
            let (store, change) = (store.clone(), change.clone());
            async move { store.replace(change).await.unwrap() }
        });
        let answers = race(racers).await;
        let won = |answer: &&Replaced| **answer == Replaced::Done;
        assert_eq!(answers.iter().filter(won).count(), 1, "{answers:?}");
        assert!(!answers.contains(&Replaced::Gone), "{answers:?}");
        let winner = answers.iter().position(|answer| *answer == Replaced::Done).unwrap();
        assert_same(&load(&*store, first.id()).await.record, &changes[winner], "the winner's");
    }
}

/// An end races with other changes: afterwards the session has ended, or the caller that ended it
/// knows that it has not; and ended sessions are not listed. (R5, trap 1)
pub async fn replace_never_undoes_an_end<S: Store>(store: Arc<S>) {
    for _ in 0..20 {
        let (user, acme, globex) = (unique("user"), unique("acme"), unique("globex"));
        let first = insert(&*store, member(&user, &[&acme])).await;
        let last = ended(&first);
        let changes = [
            active(&first, 4),
            first.next(nonce()).with_secret(random_hash()),
            last.clone(),
            first.next(nonce()).with_memberships(memberships(&[&acme, &globex])),
            first.next(nonce()).with_memberships(memberships(&[&globex])),
        ];
        let racers = changes.map(|change| {
            let store = store.clone();
            async move { store.replace(Arc::new(change)).await.unwrap() }
        });
        let answers = race(racers).await;
        let found = load(&*store, first.id()).await.record;
        if answers[2] == Replaced::Done {
            assert_same(&found, &last, "acknowledged");
        } else {
            assert!(!found.has_ended(), "not acknowledged: {answers:?}");
            replace(&*store, ended(&found)).await;
        }
        for key in [Key::user(&user), Key::org(&acme), Key::org(&globex)] {
            assert_eq!(ids_listed(&*store, &key).await, [], "{key:?}");
        }
    }
}

/// It is found under its current keys, and under no others. (R18)
pub async fn replace_moves_a_session_between_keys<S: Store>(store: Arc<S>) {
    let [a, b, c] = [unique("a"), unique("b"), unique("c")];
    let mut last = insert(&*store, member(&unique("user"), &[&a, &b])).await;
    for orgs in [vec![&a, &b], vec![&b, &c], vec![], vec![&a], vec![&a, &b, &c], vec![&c]] {
        last = replace(&*store, last.next(nonce()).with_memberships(memberships(&orgs))).await;
        for org in [&a, &b, &c] {
            let expected = if orgs.contains(&org) { vec![last.id()] } else { Vec::new() };
            assert_eq!(ids_listed(&*store, &Key::org(org)).await, expected, "{org} of {orgs:?}");
        }
        assert_eq!(ids_listed(&*store, &Key::user(last.user())).await, [last.id()]);
    }
}

/// A fact that a later version of this crate has written, and that this one does not know, survives
/// changes by this version.
pub async fn replace_carries_what_this_version_does_not_know<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let later = Record::decode(&with_unknown_fact(&member(&user, &[&org]).encode())).unwrap();
    let mut last = insert(&*store, later).await;
    for change in [
        |record: &Record| active(record, 1),
        |record: &Record| record.next(nonce()).with_secret(random_hash()),
        |record: &Record| record.next(nonce()).with_memberships(memberships(&[&unique("org")])),
        ended,
    ] {
        let found = load(&*store, last.id()).await.record;
        assert_same(&found, &last, "it is kept as it is");
        last = replace(&*store, change(&found)).await;
        let found = load(&*store, last.id()).await.record.encode();
        assert!(found.windows(5).any(|bytes| bytes == b"later"), "it is lost");
    }
}
