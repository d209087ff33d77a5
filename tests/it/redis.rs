//! What is peculiar to Redis, over the server at `CURFEW_TEST_REDIS`, and over servers that the
//! tests start themselves if there is a `redis-server`.

mod own;
mod support;

use std::time::Duration as StdDuration;

use redis::AsyncCommands as _;
use time::Duration;
use tower_curfew::store::{
    Ended, Insert, Page, Record, RedisStore, Rotate, SecretHash, Selector, SetOrgs, Store as _,
    Swapped, Touch, Touched,
};
use tower_curfew::{Timestamp, conformance};

use self::support::{add_orgs, member, now, place, record, touch};

const WEEK: Duration = Duration::days(7);

#[tokio::test]
async fn keeps_the_contract() {
    let Some(place) = place("keeps_the_contract").await else { return };
    conformance::all(&place.store).await;
    conformance::all(&place.store).await;
    place.clear().await;
}

// --- races ---------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_parallel_touches_one_moves() {
    let Some(place) = place("of_64_parallel_touches_one_moves").await else { return };
    let session = record("ada");
    place.insert(&session).await;
    let touches: Vec<_> = (1..=64)
        .map(|late| {
            let (store, touch) = (place.store.clone(), touch(&session, late));
            tokio::spawn(async move { store.touch(touch).await.unwrap() })
        })
        .collect();
    let mut moved = 0;
    for touched in touches {
        moved += usize::from(touched.await.unwrap() == Touched::Moved);
    }
    assert_eq!(moved, 1);
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cap_holds_among_threads() {
    let Some(place) = place("the_cap_holds_among_threads").await else { return };
    let inserts: Vec<_> = (0..64)
        .map(|_| {
            let (store, session) = (place.store.clone(), member("ada", &["acme"]));
            tokio::spawn(async move { store.insert(session, &[], Some(5)).await.unwrap() })
        })
        .collect();
    let mut stored = 0;
    for insert in inserts {
        stored += usize::from(insert.await.unwrap() == Insert::Stored);
    }
    assert_eq!(stored, 5);
    assert_eq!(place.listed(&Selector::user("ada")).await.len(), 5);
    place.clear().await;
}

/// Whatever is written at the same time, what has ended stays ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_thread_brings_back_what_another_ended() {
    let Some(place) = place("no_thread_brings_back_what_another_ended").await else { return };
    for _ in 0..20 {
        let session = record("ada");
        place.insert(&session).await;
        let seen = place.store.load(session.id).await.unwrap().unwrap();
        let writers: Vec<_> = (0..16)
            .map(|i| {
                let (store, touch) = (place.store.clone(), touch(&session, i + 1));
                let change = add_orgs(&seen, &["acme"]);
                let new = SecretHash::from_bytes([9; 32]);
                let (id, old) = (session.id, session.secret_hash);
                let rotate = Rotate { id, old, new, authenticated: None };
                tokio::spawn(async move {
                    match i % 4 {
                        0 => drop(store.touch(touch).await.unwrap()),
                        1 => drop(store.rotate(rotate).await.unwrap()),
                        2 => drop(store.set_orgs(change).await.unwrap()),
                        _ => drop(store.end(&Selector::user("ada"), &revoked()).await.unwrap()),
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let found = place.store.load(session.id).await.unwrap().unwrap();
        assert!(found.record().ended.is_some());
        assert!(place.listed(&Selector::user("ada")).await.is_empty());
        assert!(place.listed(&Selector::org("acme")).await.is_empty());
    }
    place.clear().await;
}

// --- keys and how long they live -----------------------------------------------------------------

/// Never shorter than the session may live, and the rules for ever.
#[tokio::test]
async fn every_session_expires_by_itself_and_no_rules_do() {
    let Some(mut place) = place("every_session_expires_by_itself_and_no_rules_do").await else {
        return;
    };
    let session = member("ada", &["acme"]);
    place.insert(&session).await;
    let lives = place.life("session:", session.id.as_bytes()).await;
    assert_near(lives, session.purge_after.since(session.created) + WEEK);
    assert_eq!(place.life("user:", b"ada").await, lives, "as long as its only session");
    assert_eq!(place.life("members:", b"acme").await, lives);

    let touch = Touch { purge_after: now() + Duration::days(60), ..touch(&session, 1) };
    assert_eq!(place.store.touch(touch).await.unwrap(), Touched::Moved);
    for (kind, name) in place.keys_of(&session) {
        assert_near(place.life(kind, &name).await, Duration::days(60) + WEEK);
    }

    let seen = place.store.load(session.id).await.unwrap().unwrap();
    let change = SetOrgs { purge_after: Timestamp::NEVER, ..add_orgs(&seen, &["acme", "globex"]) };
    assert_eq!(place.store.set_orgs(change).await.unwrap(), Swapped::Done);
    for (kind, name) in place.keys_of(&session) {
        assert_eq!(place.life(kind, &name).await, None, "{kind} is never due");
    }
    assert_eq!(place.life("members:", b"globex").await, None);

    let ended = revoked();
    assert_eq!(place.store.end(&Selector::session(session.id), &ended).await.unwrap(), 1);
    let lives = place.life("session:", session.id.as_bytes()).await;
    assert_near(lives, ended.purge_after().since(now()) + WEEK);
    for org in ["acme", "globex"] {
        assert_eq!(place.life("org:", org.as_bytes()).await, None);
        assert!(place.store.org_rules(org).await.unwrap().is_some());
    }
    place.clear().await;
}

/// A rotation and an end that is due later than the session leave the time as it was.
#[tokio::test]
async fn other_writes_leave_the_life_as_it_is() {
    let Some(mut place) = place("other_writes_leave_the_life_as_it_is").await else { return };
    let session = record("ada");
    place.insert(&session).await;
    let (id, old) = (session.id, session.secret_hash);
    let rotate = Rotate { id, old, new: SecretHash::from_bytes([9; 32]), authenticated: None };
    assert_eq!(place.store.rotate(rotate).await.unwrap(), Swapped::Done);
    let expected = session.purge_after.since(session.created) + WEEK;
    assert_near(place.life("session:", id.as_bytes()).await, expected);
    assert_eq!(place.store.end(&Selector::session(id), &revoked()).await.unwrap(), 1);
    assert_near(place.life("session:", id.as_bytes()).await, expected);
    place.clear().await;
}

/// A clock that a test has moved to another year cuts nothing short.
#[tokio::test]
async fn a_clock_in_another_year_does_not_matter() {
    let Some(mut place) = place("a_clock_in_another_year_does_not_matter").await else { return };
    for created in [0, 4_102_444_800_000].map(Timestamp::from_unix_millis) {
        let purge_after = created + Duration::days(35);
        let session = Record { created, seen: created, purge_after, ..record("ada") };
        place.insert(&session).await;
        let lives = place.life("session:", session.id.as_bytes()).await;
        assert_near(lives, Duration::days(42));
        assert!(place.store.load(session.id).await.unwrap().is_some());
    }
    place.clear().await;
}

#[tokio::test]
async fn an_index_lives_as_long_as_its_longest_session() {
    let Some(mut place) = place("an_index_lives_as_long_as_its_longest_session").await else {
        return;
    };
    for (days, expected) in [(10, 17), (50, 57), (20, 57)] {
        let purge_after = now() + Duration::days(days);
        place.insert(&Record { purge_after, ..member("ada", &["acme"]) }).await;
        assert_near(place.life("user:", b"ada").await, Duration::days(expected));
        assert_near(place.life("members:", b"acme").await, Duration::days(expected));
    }
    place.clear().await;
}

#[tokio::test]
async fn indexes_hold_no_dead_ids() {
    let Some(mut place) = place("indexes_hold_no_dead_ids").await else { return };
    let [ended, purged, expired, stays] = [0; 4].map(|_| member("ada", &["acme"]));
    let purged = Record { purge_after: now() - Duration::SECOND, ..purged };
    for session in [&ended, &purged, &expired, &stays] {
        place.insert(session).await;
    }
    assert_eq!(place.members("user:", "ada").await, 4);
    assert_eq!(place.store.end(&Selector::session(ended.id), &revoked()).await.unwrap(), 1);
    assert_eq!(place.members("user:", "ada").await, 3, "an end takes it off");
    assert_eq!(place.members("members:", "acme").await, 3);
    assert_eq!(place.store.purge(now(), 100).await.unwrap(), 1);
    assert_eq!(place.members("user:", "ada").await, 2, "a purge takes it off");
    assert_eq!(place.members("members:", "acme").await, 2);

    place.delete("session:", expired.id.as_bytes()).await;
    for which in [Selector::user("ada"), Selector::org("acme")] {
        assert_eq!(place.listed(&which).await, [stays.id], "what has expired is passed over");
    }
    assert_eq!(place.members("user:", "ada").await, 1, "and a list takes it off");
    assert_eq!(place.members("members:", "acme").await, 1);
    place.clear().await;
}

#[tokio::test]
async fn what_expired_neither_counts_nor_hinders_a_purge() {
    let Some(mut place) = place("what_expired_neither_counts_nor_hinders_a_purge").await else {
        return;
    };
    let due = now() - Duration::SECOND;
    for i in 0..600 {
        let session = Record { purge_after: due, ..record("ada") };
        place.insert(&session).await;
        if i < 500 {
            place.delete("session:", session.id.as_bytes()).await;
        }
    }
    let full = place.store.insert(record("ada"), &[], Some(100)).await.unwrap();
    assert_eq!(full, Insert::Full);
    let stored = place.store.insert(record("ada"), &[], Some(101)).await.unwrap();
    assert_eq!(stored, Insert::Stored);
    assert_eq!(place.store.purge(now(), 70).await.unwrap(), 70);
    assert_eq!(place.store.purge(now(), 70).await.unwrap(), 30);
    assert_eq!(place.store.purge(now(), 70).await.unwrap(), 0);
    place.clear().await;
}

/// More than one script would do: each is ended once, and those left out stay.
#[tokio::test]
async fn very_many_sessions_end_page_by_page() {
    let Some(mut place) = place("very_many_sessions_end_page_by_page").await else { return };
    let sessions: Vec<_> = (0..1100).map(|_| member("ada", &["acme"])).collect();
    for session in &sessions {
        place.insert(session).await;
    }
    let which = Selector::org("acme").except(sessions[7].id);
    let all = Page { after: None, at_most: u32::MAX };
    assert_eq!(place.store.list(&which, all).await.unwrap().len(), 1099);
    assert_eq!(place.store.end(&which, &revoked()).await.unwrap(), 1099);
    assert_eq!(place.store.end(&which, &revoked()).await.unwrap(), 0);
    assert_eq!(place.listed(&Selector::user("ada")).await, [sessions[7].id]);
    assert_eq!(place.members("members:", "acme").await, 1);
    place.clear().await;
}

#[tokio::test]
async fn odd_names_do_not_collide() {
    let Some(place) = place("odd_names_do_not_collide").await else { return };
    let id = record("").id;
    let names = [
        "",
        " ",
        ":",
        "user:ada",
        "org:ada",
        "session:ada",
        "members:ada",
        "purge",
        "{ada}",
        "*",
        "ada\0",
        "a\r\nb",
        "1",
        "-1",
        "\u{1f980}",
    ];
    for name in names {
        let session = member(name, &[name]);
        place.insert(&session).await;
        let found = place.store.load(session.id).await.unwrap().unwrap();
        assert_eq!((&*found.record().user, &*found.record().memberships[0].org), (name, name));
        assert_eq!(place.listed(&Selector::user(name)).await, [session.id], "{name:?}");
        assert_eq!(place.listed(&Selector::org(name)).await, [session.id], "{name:?}");
        assert!(place.store.load(id).await.unwrap().is_none());
    }
    for name in names {
        assert_eq!(place.store.end(&Selector::user(name), &revoked()).await.unwrap(), 1);
    }
    place.clear().await;
}

/// Lost rules are an error, never "no policy".
#[tokio::test]
async fn lost_rules_are_an_error() {
    let Some(mut place) = place("lost_rules_are_an_error").await else { return };
    let session = member("ada", &["acme"]);
    place.insert(&session).await;
    let seen = place.store.load(session.id).await.unwrap().unwrap();
    place.delete("org:", b"acme").await;
    place.store.load(session.id).await.unwrap_err();
    place.store.set_orgs(add_orgs(&seen, &[])).await.unwrap_err();
    let page = Page { after: None, at_most: 9 };
    place.store.list(&Selector::user("ada"), page).await.unwrap_err();
    place.clear().await;
}

#[tokio::test]
async fn nonsense_is_an_error_that_tells_nothing() {
    let Some(mut place) = place("nonsense_is_an_error_that_tells_nothing").await else { return };
    let id = record("ada").id;
    let key = place.key("session:", id.as_bytes());
    for value in ["", "nonsense of ada", "\0\0\0\0nonsense of ada"] {
        let () = place.raw.set(&key, value).await.unwrap();
        let error = place.store.load(id).await.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("ada"), "{error:?}");
    }
    place.clear().await;
}

// --- scripts and clocks --------------------------------------------------------------------------

#[tokio::test]
async fn it_works_by_the_servers_clock() {
    let Some(place) = place("it_works_by_the_servers_clock").await else { return };
    let store = place.builder().connect().await.unwrap();
    for (seconds, right) in [(-55, true), (55, true), (-65, false), (65, false)] {
        let created = now() + Duration::seconds(seconds);
        let session = Record { created, seen: created, ..record("ada") };
        let stored = store.insert(session.clone(), &[], None).await;
        assert_eq!(stored.is_ok(), right, "{seconds} s off: {stored:?}");
        let purged = store.purge(created, 1).await;
        assert_eq!(purged.is_ok(), right, "{seconds} s off: {purged:?}");
        if right {
            let facts = store.load(session.id).await.unwrap().unwrap();
            let told = facts.store_time().unwrap();
            assert!(told.since(now()).max(now().since(told)) < Duration::SECOND);
            let facts = place.store.load(session.id).await.unwrap().unwrap();
            assert_eq!(facts.store_time(), None);
        }
    }
    let page = Page { after: None, at_most: 9 };
    let listed = store.list(&Selector::user("ada"), page).await.unwrap();
    assert!(listed.iter().all(|facts| facts.store_time().is_some()));
    place.clear().await;
}

#[tokio::test]
async fn a_prefix_must_be_plain() {
    let Some(place) = place("a_prefix_must_be_plain").await else { return };
    for prefix in ["", "{a}", "a b", "ä:", "a\n", &"a".repeat(65)] {
        let builder = place.builder().key_prefix(prefix);
        let error = builder.connect().await.unwrap_err();
        assert!(error.to_string().contains("prefix"), "{error}");
    }
    place.clear().await;
}

#[tokio::test]
async fn a_store_shows_its_prefix_and_no_password() {
    let Some(place) = place("a_store_shows_its_prefix_and_no_password").await else { return };
    let shown = format!("{:?}", place.store);
    assert_eq!(shown, format!("RedisStore {{ prefix: {:?}, .. }}", place.prefix));
    let builder = RedisStore::options("redis://ada:secret@127.0.0.1");
    assert!(!format!("{builder:?}").contains("secret"));
    place.clear().await;
}

fn revoked() -> Ended {
    Ended::revoked(now())
}

#[track_caller]
fn assert_near(lives: Option<StdDuration>, expected: Duration) {
    let lives = lives.expect("it expires");
    let off = (Duration::try_from(lives).unwrap() - expected).abs();
    assert!(off < Duration::seconds(10), "it lives {lives:?} instead of {expected}");
}
