use time::Duration;

use super::{
    end, ids_listed, insert, load, member, minute, random_hash, record, record_of, rules_of, unique,
};
use crate::session::{Client, Ended, Record, Selector, SessionId};
use crate::store::{Insert, Rotate, SetOrgs, Store, Swapped, Touch, Touched};
use crate::time::Timestamp;

/// Every record whose `purge_after` is not after that time is deleted, whether it has ended or not,
/// and no other, though it may have ended long before. (R5)
pub async fn purge_deletes_what_is_due_and_nothing_else(store: &impl Store) {
    purge_all(store, due(10)).await;
    let cases = [
        ("due at the same time", due(10), false, true),
        ("due before", due(10) - Duration::MILLISECOND, false, true),
        ("due, and has ended", due(5), true, true),
        ("not due yet", due(10) + Duration::MILLISECOND, false, false),
        ("not due yet, but has ended", due(11), true, false),
        ("never due", Timestamp::NEVER, false, false),
        ("was never due, but has ended", Timestamp::NEVER, true, false),
    ];
    let mut ids = Vec::new();
    for (_, purge_after, ends, _) in cases {
        let id = insert_due(store, purge_after).await;
        if ends {
            end(store, id).await;
        }
        ids.push(id);
    }
    assert_eq!(purge_all(store, due(10)).await, 3, "what is due is deleted, and counted");
    for ((label, _, ends, deleted), id) in cases.into_iter().zip(ids) {
        let found = store.load(id).await.unwrap();
        assert_eq!(found.is_none(), deleted, "{label}");
        assert!(found.is_none_or(|facts| facts.record().ended.is_some() == ends), "{label}");
    }
}

/// At most so many at once; fewer means that none is left. (R37)
pub async fn purge_deletes_at_most_so_many(store: &impl Store) {
    purge_all(store, due(20)).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(insert_due(store, due(20)).await);
    }
    for (purged, left) in [(2, 3), (2, 1), (1, 0), (0, 0)] {
        assert_eq!(store.purge(due(20), 2).await.unwrap(), purged, "with {left} left after it");
        let mut found = 0;
        for id in &ids {
            found += usize::from(store.load(*id).await.unwrap().is_some());
        }
        assert_eq!(found, left);
    }
}

/// What counts is `purge_after` as it was written last, by a touch or a change of organisations.
/// (R5)
pub async fn purge_goes_by_the_latest_purge_after(store: &impl Store) {
    let active = insert_due(store, due(30)).await;
    let touched = Touch {
        id: active,
        secret_hash: load(store, active).await.record().secret_hash,
        seen: minute(1),
        last_seen: minute(0),
        client: Client::default(),
        purge_after: due(32),
    };
    assert_eq!(store.touch(touched).await.unwrap(), Touched::Moved);
    let bound = insert_due(store, due(32)).await;
    assert_eq!(store.set_orgs(due_at(store, bound, due(30)).await).await.unwrap(), Swapped::Done);
    let freed = insert_due(store, due(30)).await;
    assert_eq!(store.set_orgs(due_at(store, freed, due(32)).await).await.unwrap(), Swapped::Done);

    purge_all(store, due(31)).await;
    assert!(store.load(bound).await.unwrap().is_none(), "it became due earlier");
    for (label, id) in [("active", active), ("freed", freed)] {
        assert!(store.load(id).await.unwrap().is_some(), "{label}: it became due later");
    }
    purge_all(store, due(32)).await;
    for (label, id) in [("active", active), ("freed", freed)] {
        assert!(store.load(id).await.unwrap().is_none(), "{label}: and then it is");
    }
}

/// What has ended becomes due, though without the end it never would have. (R37)
pub async fn purge_deletes_what_has_ended_though_it_had_no_limit(store: &impl Store) {
    let ended = Ended::revoked(due(36));
    let over = insert_due(store, Timestamp::NEVER).await;
    assert_eq!(store.end(&Selector::session(over), &ended).await.unwrap(), 1);
    let replaced = insert_due(store, Timestamp::NEVER).await;
    let new = Record { created: due(36), ..record(&unique("user")) };
    assert_eq!(store.insert(new, &[replaced], None).await.unwrap(), Insert::Stored);

    purge_all(store, ended.purge_after() - Duration::MILLISECOND).await;
    for id in [over, replaced] {
        assert!(store.load(id).await.unwrap().is_some(), "it still tells why it ended");
    }
    purge_all(store, ended.purge_after()).await;
    for id in [over, replaced] {
        assert!(store.load(id).await.unwrap().is_none(), "it would be kept for ever");
    }
}

/// What was deleted counts no more under the cap. (R29)
pub async fn purge_makes_room_under_the_cap(store: &impl Store) {
    let user = unique("user");
    insert(store, Record { purge_after: due(40), ..record(&user) }).await;
    assert_eq!(store.insert(record(&user), &[], Some(1)).await.unwrap(), Insert::Full);
    purge_all(store, due(40)).await;
    assert_eq!(store.insert(record(&user), &[], Some(1)).await.unwrap(), Insert::Stored);
}

/// What was deleted is found nowhere, and nothing writes it again. The rules of its organisation
/// stay. (R5)
pub async fn what_was_purged_is_gone(store: &impl Store) {
    let (user, org) = (unique("user"), unique("org"));
    let id = insert(store, Record { purge_after: due(50), ..member(&user, &[&org]) }).await;
    let (session, rules) = (load(store, id).await, rules_of(store, &org).await);
    purge_all(store, due(50)).await;

    let touch = Touch {
        id,
        secret_hash: session.record().secret_hash,
        seen: minute(1),
        last_seen: minute(0),
        client: Client::default(),
        purge_after: minute(60),
    };
    assert_eq!(store.touch(touch).await.unwrap(), Touched::Gone);
    let old = session.record().secret_hash;
    let rotate = Rotate { id, old, new: random_hash(), authenticated: None };
    assert_eq!(store.rotate(rotate).await.unwrap(), Swapped::Gone);
    let orgs = vec![org.clone()];
    let (joined, ends_by, purge_after) = (minute(1), None, minute(60));
    let change = SetOrgs { seen: session, orgs, joined, ends_by, purge_after };
    assert_eq!(store.set_orgs(change).await.unwrap(), Swapped::Gone);

    for which in [Selector::user(&user), Selector::org(&org), Selector::session(id)] {
        assert_eq!(store.end(&which, &Ended::revoked(minute(1))).await.unwrap(), 0, "{which:?}");
        assert_eq!(ids_listed(store, &which).await, [], "{which:?}");
    }
    assert!(store.load(id).await.unwrap().is_none(), "nothing writes it again");
    assert_eq!(rules_of(store, &org).await, rules, "others are stamped with them");

    let next = insert(store, member(&user, &[&org])).await;
    assert_eq!(ids_listed(store, &Selector::org(&org)).await, [next]);
}

/// Minutes of the year 2090: later than any clock shows, and before all else in this module.
fn due(minute: i64) -> Timestamp {
    Timestamp::from_unix_millis(3_786_912_000_000) + Duration::minutes(minute)
}

async fn insert_due(store: &impl Store, purge_after: Timestamp) -> SessionId {
    insert(store, Record { purge_after, ..record(&unique("user")) }).await
}

/// A change of organisations that changes none, only when the record is due.
async fn due_at(store: &impl Store, id: SessionId, purge_after: Timestamp) -> SetOrgs {
    let seen = load(store, id).await;
    let ends_by = record_of(store, id).await.ends_by;
    SetOrgs { seen, orgs: Vec::new(), joined: minute(1), ends_by, purge_after }
}

/// Purges until none is left, and says how many there were.
async fn purge_all(store: &impl Store, now: Timestamp) -> u64 {
    let mut sum = 0;
    for _ in 0..10_000 {
        let purged = store.purge(now, 100).await.unwrap();
        assert!(purged <= 100, "it deleted more than it may: {purged}");
        sum += purged;
        if purged < 100 {
            return sum;
        }
    }
    panic!("purge does not come to an end: it deleted {sum} records, or it counts wrongly");
}
