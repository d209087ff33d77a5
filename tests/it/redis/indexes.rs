//! Where sessions are listed, and what may be found there.

use std::sync::Arc;

use redis::AsyncCommands as _;
use time::Duration;
use tower_curfew::Selector;
use tower_curfew::SessionId;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{Cap, Inserted, Key, Page, Replaced, Store as _};

use super::support::{
    FIRST_PAGE, Place, active, began, due, ended, join, member, now, place, record,
};

#[tokio::test]
async fn indexes_hold_no_dead_ids() {
    let Some(mut place) = place("indexes_hold_no_dead_ids").await else { return };
    let mut sessions = Vec::new();
    for session in [record("ada"), due("ada"), record("ada"), record("ada")] {
        sessions.push(place.insert(join(session, &["acme"])).await);
    }
    let [over, purged, expired, stays] = &sessions[..] else { unreachable!() };
    let keys = [Key::user("ada"), Key::org("acme")];
    let entries = async |place: &mut Place, expected, because| {
        for key in &keys {
            assert_eq!(place.entries(key).await, expected, "{key:?}: {because}");
        }
    };
    entries(&mut place, 4, "all of them").await;
    place.replace(ended(over)).await;
    entries(&mut place, 3, "an end takes it off").await;
    assert_eq!(place.store.purge(now(), 100).await.unwrap(), 1);
    assert!(place.load(purged.id()).await.is_none());
    entries(&mut place, 2, "a purge takes it off").await;

    place.expire(expired).await;
    entries(&mut place, 2, "it has expired unseen").await;
    for key in &keys {
        assert_eq!(place.listed(key).await, [stays.id()], "what has expired is passed over");
    }
    entries(&mut place, 1, "and a list takes it off").await;
    assert_eq!(due_entries(&mut place).await, 3, "until they are purged");
    assert_eq!(place.store.purge(Timestamp::NEVER, 100).await.unwrap(), 2);
    assert_eq!(due_entries(&mut place).await, 0);
    place.clear().await;
}

/// A page may hold nobody, and the next one somebody.
#[tokio::test]
async fn a_page_of_expired_sessions_is_forgotten_and_hides_no_other() {
    let name = "a_page_of_expired_sessions_is_forgotten_and_hides_no_other";
    let Some(mut place) = place(name).await else { return };
    let stays = place.insert(record("ada")).await;
    for later in 1..=6 {
        let created = stays.created() + Duration::milliseconds(later);
        let expired = place.insert(began(created, "ada")).await;
        place.expire(&expired).await;
    }
    let (key, mut after, mut found) = (Key::user("ada"), None, Vec::new());
    for left in [5, 3, 1, 1] {
        let listed = place.store.list(&key, Page { after, at_most: 2 }).await.unwrap();
        found.extend(listed.records.iter().map(|record| record.id()));
        assert_eq!(place.entries(&key).await, left);
        after = listed.next;
    }
    assert_eq!((found, after), (vec![stays.id()], None));
    place.clear().await;
}

#[tokio::test]
async fn what_expired_neither_counts_once_somebody_looked_nor_hinders_a_purge() {
    let name = "what_expired_neither_counts_once_somebody_looked_nor_hinders_a_purge";
    let Some(mut place) = place(name).await else { return };
    for number in 0..600 {
        let session = place.insert(due("ada")).await;
        if number < 500 {
            place.expire(&session).await;
        }
    }
    assert_eq!(place.listed(&Key::user("ada")).await.len(), 100);
    let insert = async |at_most| {
        let cap = Some(Cap { at_most, except: None });
        place.store.insert(Arc::new(record("ada")), cap).await.unwrap()
    };
    assert_eq!(insert(100).await, Inserted::Full);
    assert_eq!(insert(101).await, Inserted::Done);
    for expected in [70, 30, 0] {
        assert_eq!(place.store.purge(now(), 70).await.unwrap(), expected);
    }
    assert_eq!(due_entries(&mut place).await, 1);
    place.clear().await;
}

/// The entry of a change that was cut off is older than the record.
#[tokio::test]
async fn a_purge_goes_by_the_record_and_not_by_its_entry() {
    let Some(mut place) = place("a_purge_goes_by_the_record_and_not_by_its_entry").await else {
        return;
    };
    let session = place.insert(record("ada")).await;
    let id = *session.id().as_bytes();
    let list = place.key("due:", format!("{:x}", id[0] % 16));
    let () = place.raw.zadd(&list, &id[..], 0).await.unwrap();
    assert_eq!(place.store.purge(now(), 9).await.unwrap(), 0);
    let entry: i64 = place.raw.zscore(&list, &id[..]).await.unwrap();
    assert_eq!(entry, session.purge_after().unix_millis(), "it is corrected");
    assert_eq!(place.listed(&Key::user("ada")).await, [session.id()]);
    place.clear().await;
}

/// As after a failover that has lost some.
#[tokio::test]
async fn an_index_that_was_lost_comes_back_with_the_next_activity() {
    let Some(mut place) = place("an_index_that_was_lost_comes_back_with_the_next_activity").await
    else {
        return;
    };
    let session = place.insert(member("ada", &["acme"])).await;
    place.delete("user:", "ada").await;
    place.delete("org:", "acme").await;
    place.replace(active(&session, 1)).await;
    for key in session.keys() {
        assert_eq!(place.listed(&key).await, [session.id()], "{key:?}");
    }
    place.clear().await;
}

/// More than one page: each is ended once, and the one left out stays.
#[tokio::test]
async fn very_many_sessions_end_page_by_page() {
    let Some(mut place) = place("very_many_sessions_end_page_by_page").await else { return };
    let mut sessions = Vec::new();
    for _ in 0..1100 {
        sessions.push(place.insert(member("ada", &["acme"])).await.id());
    }
    let key = Key::user("ada");
    let all = Page { after: None, at_most: u32::MAX };
    assert_eq!(place.store.list(&key, all).await.unwrap().records.len(), 1100);
    let which = Selector::user("ada").except(sessions[7]);
    let curfew = place.handle();
    assert_eq!(curfew.operator("tests").revoke(which.clone()).await.unwrap(), 1099);
    assert_eq!(curfew.operator("tests").revoke(which).await.unwrap(), 0);
    assert_eq!(place.listed(&Key::org("acme")).await, [sessions[7]]);
    assert_eq!(place.entries(&key).await, 1);
    place.clear().await;
}

#[tokio::test]
async fn odd_names_do_not_collide() {
    let Some(place) = place("odd_names_do_not_collide").await else { return };
    let nobody = record("").id();
    let names = [
        "",
        " ",
        ":",
        "user:ada",
        "org:ada",
        "session:ada",
        "link:oidc:ada",
        "due:0",
        "format",
        "{rules}:head",
        "{ada}",
        "*",
        "ada\0",
        "a\r\nb",
        "1",
        "-1",
        "\u{1f980}",
    ];
    let mut sessions = Vec::new();
    for name in names {
        let session = place.insert(member(name, &[name])).await;
        let found = place.load(session.id()).await.unwrap();
        assert_eq!((&**found.user(), &*found.memberships()[0].org), (name, name));
        assert_eq!(place.listed(&Key::user(name)).await, [session.id()], "{name:?}");
        assert_eq!(place.listed(&Key::org(name)).await, [session.id()], "{name:?}");
        assert!(place.load(nobody).await.is_none());
        sessions.push(session);
    }
    for (name, session) in names.into_iter().zip(sessions) {
        place.replace(ended(&session)).await;
        assert_eq!(place.listed(&Key::user(name)).await, [], "{name:?}");
    }
    place.clear().await;
}

/// It hides nobody else, and goes when it is due.
#[tokio::test]
async fn nonsense_is_an_error_that_tells_nothing() {
    let Some(mut place) = place("nonsense_is_an_error_that_tells_nothing").await else { return };
    let stays = place.insert(record("zoe")).await;
    let garbled = place.insert(due("zoe")).await;
    let key = place.key("session:", garbled.id().as_bytes());
    let somebody_elses: Vec<u8> =
        place.raw.get(place.key("session:", stays.id().as_bytes())).await.unwrap();
    let values =
        [&b""[..], b"nonsense of zoe", b"\0\0\0\0\0\0\0\x01Lnonsense of zoe", &somebody_elses];
    for value in values {
        let () = place.raw.set(&key, value).await.unwrap();
        let error = place.store.load(garbled.id()).await.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("zoe"), "{error:?}");
        let replaced = place.store.replace(Arc::new(active(&garbled, 1))).await.unwrap();
        assert_ne!(replaced, Replaced::Done);
        let listed = place.store.list(&Key::user("zoe"), FIRST_PAGE).await.unwrap();
        let ids: Vec<SessionId> = listed.records.iter().map(|record| record.id()).collect();
        assert_eq!((ids, listed.unreadable), (vec![stays.id()], 1));
    }
    assert_eq!(place.store.purge(now(), 9).await.unwrap(), 1);
    assert_eq!(place.listed(&Key::user("zoe")).await, [stays.id()]);
    assert!(place.load(garbled.id()).await.is_none());
    place.clear().await;
}

async fn due_entries(place: &mut Place) -> usize {
    let mut entries = 0;
    for part in 0..16 {
        let list = place.key("due:", format!("{part:x}"));
        entries += place.raw.zcard::<_, usize>(list).await.unwrap();
    }
    entries
}
