use std::sync::Arc;

use super::{
    active, assert_same, began_at, ended, ids_listed, insert, load, member, memberships, minute,
    race, record, replace, replace_rules, stands, unique,
};
use crate::policy::OrgRules;
use crate::session::{Key, Record, SessionId};
use crate::store::{Page, Store};
use crate::token::{nonce, random_id};

/// The list has all sessions that have not ended, and no others. (R24)
pub async fn list_shows_what_is_under_a_key_and_nothing_else<S: Store>(store: Arc<S>) {
    let (ada, bob) = (unique("ada"), unique("bob"));
    let (acme, globex) = (unique("acme"), unique("globex"));
    let at = |minutes, user: &Arc<str>, orgs: &[&Arc<str>]| {
        began_at(minute(minutes), random_id(), user).with_memberships(memberships(orgs))
    };
    let a = insert(&*store, at(1, &ada, &[&acme])).await.id();
    let b = insert(&*store, at(2, &ada, &[&acme, &globex])).await.id();
    let c = insert(&*store, at(3, &ada, &[])).await.id();
    let d = insert(&*store, at(4, &bob, &[&acme])).await.id();
    let over = insert(&*store, at(5, &ada, &[&acme])).await;
    replace(&*store, ended(&over)).await;
    for (key, expected) in [
        (Key::user(&ada), &[c, b, a][..]),
        (Key::user(&bob), &[d]),
        (Key::org(&acme), &[d, b, a]),
        (Key::org(&globex), &[b]),
        (Key::user(&unique("nobody")), &[]),
        (Key::org(&ada), &[]),
        (Key::user(&acme), &[]),
        (Key::link("user", &ada), &[]),
    ] {
        assert_eq!(ids_listed(&*store, &key).await, expected, "{key:?}");
    }
}

/// The newest sign-in comes first, regardless of activity; at the same time, the greater id,
/// compared as bytes.
pub async fn list_is_ordered_newest_first<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let expected = five_sessions(&*store, &user, &org).await;
    for key in [Key::user(&user), Key::org(&org)] {
        assert_eq!(ids_listed(&*store, &key).await, expected, "{key:?}");
    }
    // The same with random ids.
    let (user, org) = (unique("user"), unique("org"));
    let mut places = Vec::new();
    for number in 0..200 {
        let record = began_at(minute(number % 3), random_id(), &user);
        let record = insert(&*store, record.with_memberships(memberships(&[&org]))).await;
        places.push((record.created(), record.id()));
    }
    places.sort_unstable();
    let expected: Vec<_> = places.into_iter().rev().map(|(_, id)| id).collect();
    for key in [Key::user(&user), Key::org(&org)] {
        assert_eq!(ids_listed(&*store, &key).await, expected, "{key:?}");
    }
}

/// The pages together are the list: no session is missing or repeated, even if many have the same
/// time, and even if the last one on a page has ended by then.
pub async fn list_goes_on_where_the_page_before_ended<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let five = five_sessions(&*store, &user, &org).await;
    let mut all = five.to_vec();
    let mut same_time = Vec::new();
    for _ in 0..20 {
        same_time.push(insert(&*store, member(&user, &[&org])).await.id());
    }
    same_time.sort_unstable_by(|one, other| other.cmp(one));
    all.extend(same_time);
    for key in [Key::user(&user), Key::org(&org)] {
        for at_most in [1, 2, 3, 7, 25, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            for pages in 0.. {
                assert!(pages <= 30, "it does not come to an end");
                let listed = store.list(&key, Page { after, at_most }).await.unwrap();
                assert!(listed.records.len() <= at_most as usize, "{at_most}");
                found.extend(listed.records.iter().map(|record| record.id()));
                after = listed.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, all, "{key:?} by {at_most}");
        }
    }
    let key = Key::org(&org);
    let first = store.list(&key, Page { after: None, at_most: 2 }).await.unwrap();
    let last = first.records.last().unwrap();
    replace(&*store, ended(last)).await;
    let rest = store.list(&key, Page { after: first.next, at_most: 100 }).await.unwrap();
    let rest = rest.records.iter().map(|record| record.id());
    assert!(rest.eq(all[2..].iter().copied()), "the last of the page before has ended");
}

/// Each entry is equal to the result of `load`: the whole record as it is now, and the revision of
/// the rules. (R24)
pub async fn list_shows_records_as_load_does<S: Store>(store: Arc<S>) {
    let (user, org, other) = (unique("user"), unique("org"), unique("other"));
    for orgs in [&[][..], &[&org], &[&org, &other]] {
        let first = insert(&*store, member(&user, orgs)).await;
        replace(&*store, active(&first, 5)).await;
    }
    let rules = OrgRules::none().with_revocation(minute(1), nonce());
    assert!(replace_rules(&*store, &org, &rules).await);
    let revision = stands(&*store).await;
    for key in [Key::user(&user), Key::org(&org)] {
        let listed = store.list(&key, Page { after: None, at_most: u32::MAX }).await.unwrap();
        assert!(2 <= listed.records.len(), "{key:?}");
        assert!(revision <= listed.rules, "{key:?}: older rules than were saved");
        for listed in listed.records {
            assert_same(&listed, &load(&*store, listed.id()).await.record, "listed and loaded");
        }
    }
}

/// Names are compared byte by byte: case is not folded, spaces are not trimmed, characters are not
/// composed, and there are no wildcards.
pub async fn list_compares_names_byte_by_byte<S: Store>(store: Arc<S>) {
    let id = random_id();
    let names = [
        "ada",
        "Ada",
        "ada ",
        " ada",
        "ad\u{e1}",
        "ada\u{301}",
        "ad_",
        "ad%",
        "ad*",
        "ad",
        "ada:",
        "user:ada",
        "ada\u{200b}",
        "{ada}",
    ];
    let names = names.map(|name| Arc::<str>::from(format!("{id} {name}")));
    let mut ids = Vec::new();
    let revision = stands(&*store).await;
    for name in &names {
        ids.push(insert(&*store, member(name, &[name])).await.id());
        let rules = OrgRules::none().with_revocation(minute(1), nonce());
        assert!(replace_rules(&*store, name, &rules).await, "{name:?} had no rules");
    }
    for (name, id) in names.iter().zip(ids) {
        assert_eq!(ids_listed(&*store, &Key::user(name)).await, [id], "user {name:?}");
        assert_eq!(ids_listed(&*store, &Key::org(name)).await, [id], "org {name:?}");
    }
    let changed = store.rules_since(revision, 1000).await.unwrap();
    let changed = changed.changes.iter().filter(|changed| changed.org.starts_with(&id.to_string()));
    assert_eq!(changed.count(), names.len(), "each has rules of its own");
}

/// A session that exists from the beginning of a list to its end is on it, regardless of concurrent
/// changes. (Traps 34 and 55)
pub async fn list_shows_whoever_is_there_all_the_time<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let mut stay = Vec::new();
    for _ in 0..3 {
        stay.push(insert(&*store, member(&user, &[&org])).await.id());
    }
    let comes_and_goes = (0..4).map(|_| {
        let (store, user, org) = (store.clone(), user.clone(), org.clone());
        async move {
            for _ in 0..20 {
                let new = insert(&*store, member(&user, &[&org])).await;
                // A new session is listed at once.
                for key in new.keys() {
                    assert!(ids_listed(&*store, &key).await.contains(&new.id()), "{key:?}");
                }
                let used = replace(&*store, active(&new, 1)).await;
                replace(&*store, ended(&used)).await;
                for key in new.keys() {
                    assert!(!ids_listed(&*store, &key).await.contains(&new.id()), "{key:?}");
                }
            }
            true
        }
    });
    let looks = (0..4).map(|at| {
        let (store, stay) = (store.clone(), stay.clone());
        let key = if at % 2 == 0 { Key::user(&user) } else { Key::org(&org) };
        async move {
            for _ in 0..40 {
                let listed = ids_listed(&*store, &key).await;
                assert!(stay.iter().all(|id| listed.contains(id)), "{key:?}");
            }
            true
        }
    });
    let (one, other) = tokio::join!(race(comes_and_goes), race(looks));
    assert!(one.into_iter().chain(other).all(|done| done));
}

/// Sessions of a user in an organization, the newest sign-in first: one alone, three of the same
/// time, one alone. They are stored in another order, and the oldest was seen last.
async fn five_sessions(store: &impl Store, user: &Arc<str>, org: &Arc<str>) -> [SessionId; 5] {
    let with = |first_byte, created, seen| -> Record {
        let mut bytes = *random_id().as_bytes();
        bytes[0] = first_byte;
        began_at(minute(created), SessionId::from_bytes(bytes), user)
            .with_memberships(memberships(&[org]))
            .with_activity(minute(seen))
    };
    let same_time = insert(store, with(0x7f, 5, 5)).await.id();
    let oldest = insert(store, with(0xff, 1, 9)).await.id();
    let greatest = insert(store, with(0xf0, 5, 6)).await.id();
    let newest = insert(store, with(0x00, 8, 8)).await.id();
    let least = insert(store, with(0x02, 5, 7)).await.id();
    // An ended session takes no place.
    let over = insert(store, with(0x80, 5, 5)).await;
    replace(store, ended(&over)).await;
    insert(store, record(&unique("somebody else"))).await;
    [newest, greatest, same_time, least, oldest]
}
