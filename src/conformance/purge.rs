use std::sync::Arc;

use time::Duration;
use tokio::sync::Mutex;

use super::{active, ended, ids_listed, insert, load, member, record, replace, unique};
use crate::clock::Timestamp;
use crate::session::{Ended, Key, Record, SessionId};
use crate::store::{Cap, Inserted, Replaced, Store};
use crate::token::{nonce, random_id};

/// Any purge deletes all due records, so these tests take turns.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Every record whose `purge_after` is not after that time is deleted, ended or not. No other
/// record is deleted, even if it ended long before. (R5)
pub async fn purge_deletes_what_is_due_and_nothing_else<S: Store>(store: Arc<S>) {
    let _alone = ALONE.lock().await;
    let now = purged_until(&*store, 0).await;
    let cases = [
        ("due at the same time", now, false, true),
        ("due before", now - Duration::MILLISECOND, false, true),
        ("due, and has ended", now - Duration::MINUTE, true, true),
        ("not due yet", now + Duration::MILLISECOND, false, false),
        ("not due yet, but has ended", now + Duration::MINUTE, true, false),
        ("never due", Timestamp::NEVER, false, false),
        ("was never due, but has ended", Timestamp::NEVER, true, false),
    ];
    let mut ids = Vec::new();
    for (_, purge_after, ends, _) in cases {
        let record = insert(&*store, due_at(purge_after)).await;
        if ends {
            replace(&*store, ended(&record)).await;
        }
        ids.push(record.id());
    }
    assert!(3 <= purge_all(&*store, now).await, "what is due is deleted, and counted");
    for ((label, _, ends, deleted), id) in cases.into_iter().zip(ids) {
        let found = store.load(id).await.unwrap();
        assert_eq!(found.is_none(), deleted, "{label}");
        assert!(found.is_none_or(|found| found.record.has_ended() == ends), "{label}");
    }
}

/// A purge deletes at most `at_most` records; fewer means that none is left. (R37)
pub async fn purge_deletes_at_most_so_many<S: Store>(store: Arc<S>) {
    let _alone = ALONE.lock().await;
    let now = purged_until(&*store, 10).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(insert(&*store, due_at(now)).await.id());
    }
    let left = async || {
        let mut left = 0;
        for id in &ids {
            left += usize::from(store.load(*id).await.unwrap().is_some());
        }
        left
    };
    // Other tests may have left due records.
    loop {
        let before = left().await;
        let purged = store.purge(now, 2).await.unwrap();
        assert!(purged <= 2, "it deleted more than it may: {purged}");
        assert!(before - left().await <= 2);
        if purged < 2 {
            break;
        }
    }
    assert_eq!(left().await, 0, "fewer means that none is left");
}

/// The last written `purge_after` counts. (R5)
pub async fn purge_goes_by_the_latest_purge_after<S: Store>(store: Arc<S>) {
    let _alone = ALONE.lock().await;
    let now = purged_until(&*store, 20).await;
    let minutes = Duration::minutes;
    let used = insert(&*store, due_at(now)).await;
    let used = replace(&*store, active(&used, 1).with_purge_after(now + minutes(2))).await;
    // An end makes a record due that never would have been otherwise. (R37)
    let over = insert(&*store, due_at(Timestamp::NEVER)).await;
    let long_ago = Ended::revoked(now - Duration::days(400));
    let over = replace(&*store, over.next(nonce()).with_end(long_ago)).await;
    assert_eq!(over.purge_after(), now);

    purge_all(&*store, now + minutes(1)).await;
    assert!(store.load(over.id()).await.unwrap().is_none(), "it became due earlier");
    assert!(store.load(used.id()).await.unwrap().is_some(), "it became due later");
    purge_all(&*store, now + minutes(2)).await;
    assert!(store.load(used.id()).await.unwrap().is_none(), "and then it is");
}

/// Deleted records do not count under the cap. (R29)
pub async fn purge_makes_room_under_the_cap<S: Store>(store: Arc<S>) {
    let _alone = ALONE.lock().await;
    let now = purged_until(&*store, 30).await;
    let user = unique("user");
    let cap = Some(Cap { at_most: 1, except: None });
    insert(&*store, due_of(&user, now)).await;
    assert_eq!(store.insert(Arc::new(record(&user)), cap).await.unwrap(), Inserted::Full);
    purge_all(&*store, now).await;
    // A caller that finds no room first lists the sessions.
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, []);
    assert_eq!(store.insert(Arc::new(record(&user)), cap).await.unwrap(), Inserted::Done);
}

/// A deleted record is found nowhere, and no call writes it again. (R5)
pub async fn purge_leaves_nothing_behind<S: Store>(store: Arc<S>) {
    let _alone = ALONE.lock().await;
    let now = purged_until(&*store, 40).await;
    let (user, org) = (unique("user"), unique("org"));
    let memberships = member(&user, &[&org]).memberships().to_vec();
    let gone = insert(&*store, due_of(&user, now).with_memberships(memberships)).await;
    purge_all(&*store, now).await;
    for change in [active(&gone, 1), ended(&gone)] {
        assert_eq!(store.replace(Arc::new(change)).await.unwrap(), Replaced::Gone);
    }
    for key in gone.keys() {
        assert_eq!(ids_listed(&*store, &key).await, [], "{key:?}");
    }
    assert!(store.load(gone.id()).await.unwrap().is_none(), "nothing writes it again");
    let next = insert(&*store, member(&user, &[&org])).await;
    assert_eq!(ids_listed(&*store, &Key::org(&org)).await, [next.id()]);
    assert_eq!(load(&*store, next.id()).await.record.id(), next.id());
}

/// A time in the year 2090, later than any clock shows and before all other times in these tests:
/// this many minutes into a reserved day. Records due by then are purged.
async fn purged_until(store: &impl Store, minutes: i64) -> Timestamp {
    let start = Timestamp::from_unix_millis(3_786_912_000_000);
    let now = start + Duration::minutes(minutes);
    purge_all(store, now).await;
    now
}

fn due_at(purge_after: Timestamp) -> Record {
    due_of(&unique("user"), purge_after)
}

fn due_of(user: &Arc<str>, purge_after: Timestamp) -> Record {
    let id: SessionId = random_id();
    // In the year 2089, since a record is kept at least from its beginning.
    let created = Timestamp::from_unix_millis(3_755_376_000_000);
    Record::begin(id, super::random_hash(), user.clone(), created, nonce())
        .with_purge_after(purge_after)
}

/// Purges until none is left, and returns their number.
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
