//! The server's clock, and those that are off.

use std::sync::Arc;

use time::Duration;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{Key, Store as _};

use super::support::{FIRST_PAGE, began, first_rules, now, place};

#[tokio::test]
async fn it_works_by_the_servers_clock() {
    let Some(place) = place("it_works_by_the_servers_clock").await else { return };
    let store = place.options().connect().await.unwrap();
    for (seconds, right) in [(-55, true), (55, true), (-65, false), (65, false)] {
        let shown = now() + Duration::seconds(seconds);
        let session = Arc::new(began(shown, "ada"));
        let inserted = store.insert(session.clone(), None).await;
        assert_eq!(inserted.is_ok(), right, "{seconds} s off: {inserted:?}");
        let purged = store.purge(shown, 1).await;
        assert_eq!(purged.is_ok(), right, "{seconds} s off: {purged:?}");
        let org = format!("{seconds} s off");
        let replaced = store.replace_rules(&org, first_rules().await, shown).await;
        assert_eq!(replaced.is_ok(), right, "{seconds} s off: {replaced:?}");
        if right {
            let told = store.load(session.id()).await.unwrap().unwrap().clock.unwrap();
            assert_near(told);
            let unasked = place.store.load(session.id()).await.unwrap().unwrap().clock;
            assert_eq!(unasked, None);
        } else {
            let error = inserted.unwrap_err().to_string();
            assert!(error.contains("clocks"), "{error}");
            assert!(store.load(session.id()).await.unwrap().is_none(), "nothing is written");
        }
    }
    let listed = store.list(&Key::user("ada"), FIRST_PAGE).await.unwrap();
    assert_eq!(listed.records.len(), 2);
    assert_near(listed.clock.unwrap());
    place.clear().await;
}

/// A revision that a caller's clock has made could be lower than one that was lost.
#[tokio::test]
async fn revisions_of_rules_go_by_the_servers_clock() {
    let Some(place) = place("revisions_of_rules_go_by_the_servers_clock").await else { return };
    let store = place.options().connect().await.unwrap();
    let session = Arc::new(began(now(), "ada"));
    let _ = store.insert(session.clone(), None).await.unwrap();
    for (org, seconds) in [("acme", 50), ("globex", -50)] {
        let shown = now() + Duration::seconds(seconds);
        assert!(store.replace_rules(org, first_rules().await, shown).await.unwrap());
        let stands = store.load(session.id()).await.unwrap().unwrap().rules;
        let millis = i64::try_from(stands.as_u64() >> 20).unwrap();
        assert_near(Timestamp::from_unix_millis(millis));
    }
    place.clear().await;
}

#[track_caller]
fn assert_near(told: Timestamp) {
    let off = told.since(now()).max(now().since(told));
    assert!(off < Duration::seconds(5), "{off} off");
}
