use std::collections::HashMap;
use std::sync::Arc;

use time::Duration;

use super::{
    active, assert_same, began_at, ended, ids_listed, insert, load, member, minute, race, record,
    replace, unique,
};
use crate::clock::Timestamp;
use crate::session::{Key, Link, Record, SessionId, SessionKind};
use crate::store::{DOES_NOT_SCAN, Inserted, Replaced, ScanPlace, Store};
use crate::token::random_id;

/// Every record is scanned as it is, ended or not and of any kind, in pages of any length.
pub async fn scan_finds_every_record_as_it_is<S: Store>(store: Arc<S>) {
    if does_not_scan(&*store).await {
        return;
    }
    let (user, org) = (unique("user"), unique("org"));
    let mut ours = HashMap::new();
    for number in 0..20 {
        let record = member(&user, &[&org]).with_purge_after(minute(99_999 + number));
        let record = match number % 4 {
            0 => record,
            1 => record.with_kind(SessionKind::Token).with_name(Some("laptop".into())),
            _ => record.with_links(vec![Link { kind: "oidc".into(), value: unique("sid") }]),
        };
        let filed = insert(&*store, record).await;
        let filed = match number % 4 {
            2 => replace(&*store, active(&filed, number)).await,
            3 => replace(&*store, ended(&filed)).await,
            _ => filed,
        };
        ours.insert(filed.id(), filed);
    }
    for at_most in [7, 100, 1000] {
        let found = scan_all(&*store, at_most).await;
        for (id, record) in &ours {
            assert_same(found.get(id).expect("none is left out"), record, "read out");
        }
    }
}

/// A record that exists throughout a scan is found, regardless of concurrent changes.
pub async fn scan_leaves_out_none_that_is_there_throughout<S: Store>(store: Arc<S>) {
    if does_not_scan(&*store).await {
        return;
    }
    let user = unique("user");
    let mut stay = Vec::new();
    for _ in 0..50 {
        stay.push(insert(&*store, record(&user)).await);
    }
    let stirs = {
        let (store, stay) = (store.clone(), stay.clone());
        async move {
            for (number, record) in stay.into_iter().enumerate() {
                let new = insert(&*store, super::record(&unique("user"))).await;
                replace(&*store, ended(&new)).await;
                let used = replace(&*store, active(&record, 2)).await;
                if number % 2 == 0 {
                    replace(&*store, ended(&used)).await;
                }
            }
            HashMap::new()
        }
    };
    let scans = (0..3).map(|_| {
        let store = store.clone();
        async move { scan_all(&*store, 10).await }
    });
    let mut racers: Vec<std::pin::Pin<Box<dyn Future<Output = Found> + Send>>> =
        vec![Box::pin(stirs)];
    for scan in scans {
        racers.push(Box::pin(scan));
    }
    for found in race(racers).await.into_iter().skip(1) {
        for record in &stay {
            assert!(found.contains_key(&record.id()), "{record:?} was there all the time");
        }
    }
}

/// Records of another store are imported as they are: found, listed and replaced like all others,
/// and over if they had ended.
pub async fn import_files_records_as_they_are<S: Store>(store: Arc<S>) {
    let (user, org) = (unique("user"), unique("org"));
    let links = vec![Link { kind: "oidc".into(), value: unique("sid") }];
    let living = member(&user, &[&org]).with_links(links);
    // Created long ago, and used since.
    let first = began_at(minute(-500_000), random_id(), &user);
    let used = active(&first, 5).with_purge_after(Timestamp::NEVER);
    let over = ended(&member(&user, &[&org]).with_purge_after(minute(0) + Duration::days(9)));
    let records = [living, used, over].map(|record| as_kept(&record));
    assert_eq!(store.import(records.to_vec()).await.unwrap(), 3);
    for record in &records {
        assert_same(&load(&*store, record.id()).await.record, record, "imported");
    }
    let [living, used, over] = records;
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, [living.id(), used.id()]);
    for key in &living.keys()[1..] {
        assert_eq!(ids_listed(&*store, key).await, [living.id()], "{key:?}");
    }
    assert_eq!(store.replace(Arc::new(active(&over, 9))).await.unwrap(), Replaced::Gone);
    let used = replace(&*store, active(&used, 9)).await;
    replace(&*store, ended(&living)).await;
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await, [used.id()]);
    assert_eq!(ids_listed(&*store, &Key::org(&org)).await, []);
}

/// An interrupted import can be repeated: existing records are skipped, the rest is inserted.
pub async fn import_again_files_what_is_missing<S: Store>(store: Arc<S>) {
    let user = unique("user");
    let over = as_kept(&ended(&record(&user)));
    let mut records = vec![over];
    records.extend((0..4).map(|_| as_kept(&record(&user))));
    let (there, _) = records.split_at(2);
    assert_eq!(store.import(there.to_vec()).await.unwrap(), 2);
    assert_eq!(store.import(records.clone()).await.unwrap(), 3);
    assert_eq!(store.import(records.clone()).await.unwrap(), 0);
    assert_eq!(store.import(Vec::new()).await.unwrap(), 0);
    for record in &records {
        assert_same(&load(&*store, record.id()).await.record, record, "as it was");
    }
    assert_eq!(ids_listed(&*store, &Key::user(&user)).await.len(), 4);
}

/// A store with another state of a session is in use: nothing of that session is overwritten.
pub async fn import_refuses_another_state_of_a_session<S: Store>(store: Arc<S>) {
    let user = unique("user");
    let older = record(&user);
    assert_eq!(store.insert(Arc::new(older.clone()), None).await.unwrap(), Inserted::Done);
    let newer = replace(&*store, active(&older, 3)).await;
    store.import(vec![as_kept(&older)]).await.unwrap_err();
    assert_same(&load(&*store, newer.id()).await.record, &newer, "it is left as it was");
    let over = replace(&*store, ended(&newer)).await;
    store.import(vec![as_kept(&newer)]).await.unwrap_err();
    assert_same(&load(&*store, over.id()).await.record, &over, "what is over stays over");
}

type Found = HashMap<SessionId, Arc<Record>>;

/// Whether the store keeps the default `scan`, which returns an error.
async fn does_not_scan(store: &impl Store) -> bool {
    match store.scan(None, 1).await {
        Err(error) if error.to_string() == DOES_NOT_SCAN => true,
        answer => {
            answer.unwrap();
            false
        }
    }
}

async fn scan_all(store: &impl Store, at_most: u32) -> Found {
    let mut found = HashMap::new();
    let mut after = None::<ScanPlace>;
    loop {
        let page = store.scan(after.clone(), at_most).await.unwrap();
        found.extend(page.records.into_iter().map(|record| (record.id(), record)));
        match page.next {
            Some(next) => assert_ne!(after.replace(next.clone()), Some(next), "it goes on"),
            None => return found,
        }
        tokio::task::yield_now().await;
    }
}

/// A record as read from another store.
fn as_kept(record: &Record) -> Arc<Record> {
    Arc::new(Record::decode(&record.encode()).unwrap())
}
