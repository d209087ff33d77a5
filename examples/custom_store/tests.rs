use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::{COOKIE, SET_COOKIE};
use tempfile::TempDir;
use time::Duration;
use tower::ServiceExt;
use tower_curfew::SessionId;
use tower_curfew::clock::{ManualClock, Timestamp};
use tower_curfew::conformance::Sabotage;
use tower_curfew::store::{
    Inserted, Key, Listed, Page, Record, Replaced, Revision, SecretHash, Store,
};
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, OrgPolicy, Selector, store_tests};

use super::app;
use crate::store::FolderStore;

// --- the contract --------------------------------------------------------------------------------

store_tests!(contract, Files::new().open(), sabotaged);

impl Sabotage for FolderStore {
    /// A folder has none.
    async fn cut_connections(&self) {}

    async fn lose_record(&self, id: SessionId) {
        self.0.lock().await.sessions.remove(&id);
    }
}

// --- what the contract does not say --------------------------------------------------------------

/// Also after a crash: what the system has of the folder while it is open is what that leaves, and of
/// the file that was being written, any part.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_when_it_is_opened_again() {
    let files = Files::new();
    let store = files.open();
    let curfew = files.handle(&store);
    for user in ["ada", "ada", "grace", "alan"] {
        sign_in(&curfew, user).await;
    }
    let ids = listed(&store, &Key::org("acme")).await.records;
    let ids = ids.iter().map(|record| record.id()).collect::<Vec<_>>();
    curfew.operator("tests").revoke(Selector::user("grace")).await.unwrap();
    curfew
        .operator("tests")
        .set_policy("acme", OrgPolicy::absolute(Duration::days(7)))
        .await
        .unwrap();
    curfew
        .operator("tests")
        .set_policy("acme", OrgPolicy::absolute(Duration::days(6)))
        .await
        .unwrap();
    curfew.operator("tests").revoke_org("globex").await.unwrap();

    let before = everything(&store, &ids).await;
    let crashed = files.path_of("crashed");
    fs::create_dir(&crashed).unwrap();
    for file in fs::read_dir(files.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), crashed.join(file.file_name())).unwrap();
    }
    let next = listed(&store, &Key::user("ada")).await.records[0].next(7);
    drop((curfew, store));
    assert_eq!(everything(&files.open(), &ids).await, before);
    let whole = next.encode();
    for torn in 0..=whole.len() {
        fs::write(crashed.join("new"), &whole[..torn]).unwrap();
        let store = FolderStore::open(&crashed).unwrap();
        assert_eq!(everything(&store, &ids).await, before, "{torn} bytes of a file");
    }
    let store = FolderStore::open(&crashed).unwrap();
    assert_eq!(store.replace(Arc::new(next)).await.unwrap(), Replaced::Done);
}

/// The new rules of an organization are there before the old ones go.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_two_files_brings_no_old_rules_back() {
    let files = Files::new();
    let store = files.open();
    let curfew = files.handle(&store);
    curfew
        .operator("tests")
        .set_policy("acme", OrgPolicy::absolute(Duration::days(7)))
        .await
        .unwrap();
    let first = rules_files(&files);
    let kept = first.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
    curfew
        .operator("tests")
        .set_policy("acme", OrgPolicy::absolute(Duration::days(6)))
        .await
        .unwrap();
    drop((curfew, store));
    for (file, bytes) in first.iter().zip(kept) {
        fs::write(file, bytes).unwrap();
    }

    let curfew = files.handle(&files.open());
    let policy = Some(OrgPolicy::absolute(Duration::days(6)));
    assert_eq!(curfew.policy("acme").await.unwrap().unwrap().policy, policy);
    curfew
        .operator("tests")
        .set_policy("acme", OrgPolicy::absolute(Duration::days(5)))
        .await
        .unwrap();
    let curfew = files.handle(&files.open());
    let policy = Some(OrgPolicy::absolute(Duration::days(5)));
    assert_eq!(curfew.policy("acme").await.unwrap().unwrap().policy, policy);
}

/// A call that fails leaves nothing behind, and the next may do better.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_not_there() {
    let files = Files::new();
    let store = files.open();
    // Where the file is to be written there is a folder.
    fs::create_dir(files.path().join("new")).unwrap();
    assert!(store.insert(begin(1), None).await.is_err());
    assert!(store.load(begin(1).id()).await.unwrap().is_none());
    fs::remove_dir(files.path().join("new")).unwrap();
    assert_eq!(store.insert(begin(1), None).await.unwrap(), Inserted::Done);
    let next = Arc::new(begin(1).next(8));
    fs::create_dir(files.path().join("new")).unwrap();
    assert!(store.replace(next.clone()).await.is_err());
    fs::remove_dir(files.path().join("new")).unwrap();
    drop(store);
    let store = files.open();
    assert_eq!(store.load(next.id()).await.unwrap().unwrap().record, begin(1));
    assert_eq!(store.replace(next).await.unwrap(), Replaced::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_purged_is_gone_when_it_is_opened_again() {
    let files = Files::new();
    let store = files.open();
    let curfew = files.handle(&store);
    for user in ["ada", "grace"] {
        sign_in(&curfew, user).await;
    }
    let ada = listed(&store, &Key::user("ada")).await.records[0].id();
    // 28 days of silence, and 7 more.
    files.clock.advance(Duration::days(35));
    sign_in(&curfew, "grace").await;
    assert_eq!(curfew.purge().await.unwrap(), 2);

    drop((curfew, store));
    let store = files.open();
    assert!(store.load(ada).await.unwrap().is_none());
    assert_eq!(listed(&store, &Key::user("ada")).await.records, []);
    assert_eq!(listed(&store, &Key::user("grace")).await.records.len(), 1);
    assert_eq!(files.handle(&store).purge().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_hides_no_other_and_is_kept() {
    let files = Files::new();
    let store = files.open();
    for number in 1..=3 {
        assert_eq!(store.insert(begin(number), None).await.unwrap(), Inserted::Done);
    }
    drop(store);
    let id = begin(2).id();
    let file = files.path().join(format!("{id}.session-1"));
    fs::write(&file, "of a later version").unwrap();

    let store = files.open();
    let ada = Key::user("ada");
    let found = listed(&store, &ada).await;
    assert_eq!((found.records, found.unreadable), (vec![begin(3), begin(1)], 1));
    let found = listed(&store, &Key::user("grace")).await;
    assert_eq!((found.records, found.unreadable), (vec![], 1), "it may be hers");
    assert!(store.load(id).await.is_err() && store.insert(begin(2), None).await.is_err());
    let next = Arc::new(begin(2).next(7));
    assert!(store.replace(next).await.is_err(), "nobody knows whether it has ended");

    assert_eq!(store.purge(Timestamp::from_unix_millis(3), 9).await.unwrap(), 2);
    assert_eq!(store.purge(Timestamp::from_unix_millis(3), 9).await.unwrap(), 0);
    drop(store);
    assert!(files.open().load(id).await.is_err());
    assert_eq!(fs::read(&file).unwrap(), b"of a later version");
    // And then the later version is there again.
    fs::write(&file, begin(2).encode()).unwrap();
    assert_eq!(listed(&files.open(), &ada).await.records, [begin(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_another_format_is_refused_and_left_as_it_is() {
    let files = Files::new();
    let store = files.open();
    assert_eq!(store.insert(begin(1), None).await.unwrap(), Inserted::Done);
    drop(store);
    let file = files.path().join(format!("{}.session-1", begin(1).id()));
    let other = file.with_extension("session-2");
    fs::rename(&file, &other).unwrap();
    let refused = FolderStore::open(&files.path()).err().unwrap();
    let expected = format!("{other:?} has another format: use the program that wrote it");
    assert_eq!(format!("{refused:#}"), expected);
    assert_eq!(fs::read(&other).unwrap(), begin(1).encode());
    fs::rename(other, file).unwrap();
    assert!(files.open().load(begin(1).id()).await.unwrap().is_some());
}

#[cfg(unix)]
#[test]
fn a_new_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let files = Files::new();
    files.open();
    let mode = fs::metadata(files.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

// --- the app -------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_dialogue_of_the_first_lines() {
    let files = Files::new();
    let start = || app(&files.handle(&files.open()));
    let ask = async |app: &axum::Router, method: &str, path: &str, cookie: &str| {
        let request = Request::builder().method(method).uri(path).header(COOKIE, cookie);
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let set = response.headers().get(SET_COOKIE).map(|set| set.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (set, String::from_utf8(body.into()).unwrap())
    };
    let app = start();
    let (set, _) = ask(&app, "POST", "/login/ada", "").await;
    let set = set.unwrap();
    let cookie = set.split(';').next().unwrap();
    let who = "ada, since 2026-01-01T00:00:00Z\n";
    assert_eq!(ask(&app, "GET", "/", cookie).await.1, who);

    drop(app);
    let app = start();
    assert_eq!(ask(&app, "GET", "/", cookie).await.1, who);
    ask(&app, "POST", "/logout", cookie).await;

    drop(app);
    let (_, refused) = ask(&start(), "GET", "/", cookie).await;
    assert_eq!(
        refused,
        r#"{"title":"sign in to continue","status":401,"reason":"revoked","login_url":"/login"}"#
    );
}

// --- what the tests share ------------------------------------------------------------------------

/// What a restart leaves: the files, and the time of day.
struct Files {
    folder: TempDir,
    clock: ManualClock,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: ManualClock::default() }
    }

    fn path(&self) -> PathBuf {
        self.path_of("sessions")
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> FolderStore {
        FolderStore::open(&self.path()).unwrap()
    }

    fn handle(&self, store: &FolderStore) -> Curfew {
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        Curfew::builder(store.clone(), keyring).clock(self.clock.clone()).build().unwrap()
    }
}

/// A session of `ada` that began so many milliseconds after 1970, and is due at once.
fn begin(number: u8) -> Arc<Record> {
    let id = SessionId::from_bytes([number; 16]);
    let created = Timestamp::from_unix_millis(i64::from(number));
    Arc::new(Record::begin(id, SecretHash::from_bytes([number; 32]), "ada", created, 7))
}

fn rules_files(files: &Files) -> Vec<PathBuf> {
    let all = fs::read_dir(files.path()).unwrap().map(|file| file.unwrap().path());
    all.filter(|file| file.extension().is_some_and(|kind| kind == "rules-1")).collect()
}

async fn listed(store: &FolderStore, key: &Key) -> Listed {
    store.list(key, Page { after: None, at_most: 100 }).await.unwrap()
}

async fn sign_in(curfew: &Curfew, user: &str) {
    let new = NewSession::for_user(user).orgs(["acme"]);
    let _cookie = curfew.start(new, &ClientInfo::for_tests()).await.unwrap();
}

/// All that a store can be asked for, as text.
async fn everything(store: &FolderStore, ids: &[SessionId]) -> Vec<String> {
    let mut all = Vec::new();
    for id in ids {
        let found = store.load(*id).await.unwrap().unwrap();
        all.push(format!("{:?} {:?}", found.record.encode(), found.rules));
    }
    for key in [Key::user("ada"), Key::user("grace"), Key::user("alan"), Key::org("acme")] {
        all.push(format!("{key:?}: {:?}", listed(store, &key).await));
    }
    let found = store.rules_since(Revision::NONE, 100).await.unwrap();
    all.push(format!("{:?} {:?}", found.reaches, found.incarnation));
    for changed in found.changes {
        all.push(format!("{}: {:?}", changed.org, changed.rules.unwrap().encode()));
    }
    all
}
