use std::sync::Arc;
use std::time::Duration;

use super::{active, ended, insert, minute, race, record, replace, replace_rules, stands, unique};
use crate::clock::Stopwatch;
use crate::policy::OrgRules;
use crate::session::SessionId;
use crate::store::{Change, Changes, Heartbeat, Store};
use crate::token::nonce;

/// A watcher is told which session has changed, as soon as it has.
pub async fn watch_tells_each_change<S: Store>(store: Arc<S>) {
    let session = insert(&*store, record(&unique("user"))).await;
    let Some(mut changes) = watched(&*store).await else { return };
    let used = replace(&*store, active(&session, 1)).await;
    told(&mut changes, session.id()).await;
    replace(&*store, ended(&used)).await;
    told(&mut changes, session.id()).await;
}

/// A change of rules is reported by a heartbeat at once.
pub async fn watch_tells_changes_of_rules<S: Store>(store: Arc<S>) {
    let Some(mut changes) = watched(&*store).await else { return };
    for _ in 0..3 {
        let rules = OrgRules::none().with_revocation(minute(1), nonce());
        assert!(replace_rules(&*store, &unique("org"), &rules).await);
        let reached = stands(&*store).await;
        while heartbeat(&mut changes).await.rules < reached {}
    }
}

/// A heartbeat comes after each change whose call had returned when the store was asked.
pub async fn watch_tells_changes_before_the_heartbeats_after_them<S: Store>(store: Arc<S>) {
    let mut sessions = Vec::new();
    for _ in 0..200 {
        sessions.push(insert(&*store, record(&unique("user"))).await);
    }
    let Some(mut changes) = watched(&*store).await else { return };
    let racers = sessions.into_iter().map(|session| {
        let store = store.clone();
        async move {
            replace(&*store, ended(&session)).await;
            (session.id(), Stopwatch::start())
        }
    });
    let made = race(racers).await;
    let made_all = Stopwatch::start();
    let mut all = Vec::new();
    loop {
        let change = next(&mut changes).await;
        all.push(change);
        if was_asked_after(&change, made_all) {
            break;
        }
    }
    for (id, done) in made {
        let told = all.iter().position(|change| tells(change, id));
        let heartbeat = all.iter().position(|change| was_asked_after(change, done));
        let told = told.expect("a change was left out");
        assert!(heartbeat.is_none_or(|heartbeat| told < heartbeat), "it was told too late");
    }
}

/// `None` for a store that does not report changes.
async fn watched(store: &impl Store) -> Option<Changes> {
    store.watch().await.unwrap()
}

async fn next(changes: &mut Changes) -> Change {
    changes.next().await.expect("a store that is watched is never silent, and its changes go on")
}

async fn heartbeat(changes: &mut Changes) -> Heartbeat {
    loop {
        if let Change::Heartbeat(heartbeat) = next(changes).await {
            return heartbeat;
        }
    }
}

async fn told(changes: &mut Changes, id: SessionId) {
    let began = Stopwatch::start();
    while !tells(&next(changes).await, id) {
        assert!(began.elapsed() < LATEST, "a change was left out");
    }
}

fn tells(change: &Change, id: SessionId) -> bool {
    match change {
        Change::Session(changed) => *changed == id,
        Change::Any => true,
        Change::Heartbeat(_) => false,
    }
}

fn was_asked_after(change: &Change, moment: Stopwatch) -> bool {
    let Change::Heartbeat(Heartbeat { asked, .. }) = change else { return false };
    // Read in this order: a pause between the two must not make `asked` seem later than it is.
    let since_moment = moment.elapsed();
    asked.elapsed() < since_moment
}

/// Even on a busy machine.
const LATEST: Duration = Duration::from_secs(20);
