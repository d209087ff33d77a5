//! Which keys there are, and how long they live.

use redis::AsyncCommands as _;
use time::Duration;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{Key, SecretHash, Store as _};
use tower_curfew::{ClientInfo, NewSession};

use super::support::{
    Place, active, began, ended, first_rules, join, member, next, now, place, record,
};

const WEEK: Duration = Duration::days(7);

/// Never shorter than the session may live, and the rules for ever.
#[tokio::test]
async fn every_session_expires_by_itself_and_no_rules_do() {
    let Some(mut place) = place("every_session_expires_by_itself_and_no_rules_do").await else {
        return;
    };
    assert!(place.store.replace_rules("acme", first_rules().await, now()).await.unwrap());
    let first = place.insert(member("ada", &["acme"])).await;
    for key in place.keys_of(&first) {
        // A list lives as long as its only session.
        assert_near(place.life_of(&key).await, Duration::days(35) + WEEK);
    }

    let second = next(&first).with_purge_after(now() + Duration::days(60));
    let second = place.replace(second).await;
    for key in place.keys_of(&second) {
        assert_near(place.life_of(&key).await, Duration::days(60) + WEEK);
    }

    let third = join(next(&second), &["acme", "globex"]).with_purge_after(Timestamp::NEVER);
    let third = place.replace(third).await;
    for key in place.keys_of(&third) {
        assert_eq!(place.life_of(&key).await, None, "it is never due");
    }

    let last = place.replace(ended(&third)).await;
    let lives = place.life("session:", last.id().as_bytes()).await;
    assert_near(lives, last.ended().unwrap().purge_after().since(now()) + WEEK);
    for name in ["head", "bodies", "places"] {
        assert_eq!(place.life("{rules}:", name).await, None, "{name} never expires");
    }
    assert_eq!(place.life("format", "").await, None);
    place.clear().await;
}

/// A new secret, and an end that is due later than the session, leave the time as it was.
#[tokio::test]
async fn other_writes_leave_the_life_as_it_is() {
    let Some(mut place) = place("other_writes_leave_the_life_as_it_is").await else { return };
    let first = place.insert(record("ada")).await;
    let id = first.id();
    let second = place.replace(next(&first).with_secret(SecretHash::from_bytes([9; 32]))).await;
    let expected = first.purge_after().since(first.created()) + WEEK;
    assert_near(place.life("session:", id.as_bytes()).await, expected);
    place.replace(ended(&second)).await;
    assert_near(place.life("session:", id.as_bytes()).await, expected);
    place.clear().await;
}

/// The last that is known of a session is never later than now, so that what counts from there is
/// never too short.
#[tokio::test]
async fn a_life_counts_from_the_last_activity_whenever_it_is_written() {
    let name = "a_life_counts_from_the_last_activity_whenever_it_is_written";
    let Some(mut place) = place(name).await else { return };
    let first = place.insert(began(now() - Duration::days(20), "ada")).await;
    let second = place.replace(next(&first)).await;
    let id = *first.id().as_bytes();
    assert_near(place.life("session:", id).await, Duration::days(35) + WEEK);
    place.replace(active(&second, Duration::days(20).whole_milliseconds() as i64)).await;
    assert_near(place.life("session:", id).await, Duration::days(15) + WEEK);
    assert_near(place.life("user:", "ada").await, Duration::days(35) + WEEK);
    place.clear().await;
}

/// A clock that a test has moved to another year cuts nothing short.
#[tokio::test]
async fn a_clock_in_another_year_does_not_matter() {
    let Some(mut place) = place("a_clock_in_another_year_does_not_matter").await else { return };
    for created in [0, 4_102_444_800_000].map(Timestamp::from_unix_millis) {
        let session = place.insert(began(created, "ada")).await;
        let lives = place.life("session:", session.id().as_bytes()).await;
        assert_near(lives, Duration::days(42));
        assert!(place.load(session.id()).await.is_some());
    }
    place.clear().await;
}

#[tokio::test]
async fn an_index_lives_as_long_as_its_longest_session() {
    let Some(mut place) = place("an_index_lives_as_long_as_its_longest_session").await else {
        return;
    };
    let lasts = async |place: &mut Place, days, expected| {
        let purge_after = now() + Duration::days(days);
        place.insert(member("ada", &["acme"]).with_purge_after(purge_after)).await;
        assert_near(place.life("user:", "ada").await, Duration::days(expected));
        assert_near(place.life("org:", "acme").await, Duration::days(expected));
    };
    for (days, expected) in [(40, 47), (50, 57), (45, 57)] {
        lasts(&mut place, days, expected).await;
    }
    let for_ever = member("ada", &["acme"]).with_purge_after(Timestamp::NEVER);
    let for_ever = place.insert(for_ever).await;
    place.insert(member("ada", &["acme"])).await;
    assert_eq!(place.life("user:", "ada").await, None, "one of them is never due");
    assert_eq!(place.life("org:", "acme").await, None);
    place.replace(ended(&for_ever)).await;
    assert_eq!(place.listed(&Key::user("ada")).await.len(), 4);
    place.clear().await;
}

/// What an admin reads in the documentation is what is there.
#[tokio::test]
async fn there_are_the_keys_that_are_documented_and_no_others() {
    let name = "there_are_the_keys_that_are_documented_and_no_others";
    let Some(mut place) = place(name).await else { return };
    let curfew = place.handle();
    let new = NewSession::for_user("ada").orgs(["acme"]).link("oidc", "sid-1");
    let _ = curfew.start(new, &ClientInfo::for_tests()).await.unwrap();
    curfew.operator("tests").revoke_org("globex").await.unwrap();
    let id = curfew.list("ada").await.unwrap().remove(0).id();
    let session = [b"session:", &id.as_bytes()[..]].concat();
    let due = format!("due:{:x}", id.as_bytes()[0] % 16);
    let mut expected = vec![session, due.clone().into_bytes()];
    let names = ["format", "link:oidc:sid-1", "org:acme", "user:ada"];
    let rules = ["{rules}:bodies", "{rules}:head", "{rules}:places"];
    expected.extend(names.into_iter().chain(rules).map(Vec::from));
    expected.sort();
    assert_eq!(place.all_keys().await, expected);
    for list in [&due, "link:oidc:sid-1", "org:acme", "user:ada"] {
        let ids: Vec<Vec<u8>> = place.raw.zrange(place.key("", list), 0, -1).await.unwrap();
        assert_eq!(ids, [id.as_bytes().to_vec()], "{list}");
    }
    let mut orgs: Vec<String> = place.raw.hkeys(place.key("{rules}:", "bodies")).await.unwrap();
    orgs.sort();
    assert_eq!(orgs, ["", "globex"], "those for everyone, too");
    place.clear().await;
}

#[track_caller]
fn assert_near(lives: Option<Duration>, expected: Duration) {
    let off = (lives.expect("it expires") - expected).abs();
    assert!(off < Duration::MINUTE, "it lives {lives:?} instead of {expected}");
}
