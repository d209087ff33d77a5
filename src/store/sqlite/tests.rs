//! What is peculiar to SQLite. That it keeps the contract, the conformance suite shows.

use std::error::Error as StdError;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Barrier;
use std::time::Duration as StdDuration;

use rusqlite::{Connection, OpenFlags, params_from_iter};
use tempfile::TempDir;
use time::Duration;

use super::super::{Client, EndReason, EndsBy, Kind, Membership, SecretHash};
use super::failure::Failure;
use super::*;

// --- opening -------------------------------------------------------------------------------------

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let file = File::new();
    for content in ["no", &"no database ".repeat(1000)] {
        fs::write(&file.path, content).unwrap();
        assert_eq!(
            file.refused().await,
            "it is no SQLite database, or a damaged one; give another path, or restore it from a \
             backup"
        );
        assert_eq!(fs::read_to_string(&file.path).unwrap(), content, "it is left as it was");
    }
}

#[tokio::test]
async fn a_folder_is_refused() {
    let file = File::new();
    fs::create_dir(&file.path).unwrap();
    assert_eq!(file.refused().await, "it is a folder; give the path of a file");
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_refused() {
    let file = File::new();
    let file = File { path: file.path.join("sessions.db"), ..file };
    assert_eq!(file.refused().await, "its folder does not exist; create that first");
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    for path in ["", ":memory:"] {
        assert_eq!(
            refused(path).await,
            "SQLite can keep no write-ahead log there; give it a file on a local disk"
        );
    }
}

/// Not even root may create a file there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_takes_no_file_is_refused() {
    assert_eq!(
        refused("/proc/sessions.db").await,
        "it cannot be opened or created; let this process write the file and its folder"
    );
}

#[tokio::test]
async fn a_connection_that_cannot_write_is_refused() {
    let file = File::new();
    // As a file that never was a store, as one whose log is gone, and as one with a log.
    Connection::open(&file.path).unwrap().execute_batch("CREATE TABLE app (x)").unwrap();
    let read_only = || {
        let error = open::open_with(&file.path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        advice(&file.path, &error.err().unwrap())
    };
    let expected = "it can be read but not written; let this process write the file and its folder";
    assert_eq!(read_only(), expected);
    let store = file.open().await;
    assert_eq!(read_only(), expected);
    drop(store);
    file.closed().await;
    assert_eq!(read_only(), expected);
}

#[tokio::test]
async fn a_read_only_file_is_refused() {
    let file = File::new();
    drop(file.open().await);
    file.closed().await;
    set_read_only(&file.path);
    if fs::OpenOptions::new().append(true).open(&file.path).is_ok() {
        println!("a_read_only_file_is_refused: skipped, since permissions do not bind root");
        return;
    }
    assert_eq!(
        file.refused().await,
        "it can be read but not written; let this process write the file and its folder"
    );
}

#[tokio::test]
async fn a_file_in_a_read_only_folder_is_refused() {
    let file = File::new();
    drop(file.open().await);
    file.closed().await;
    let before = fs::metadata(file.folder.path()).unwrap().permissions();
    set_read_only(file.folder.path());
    let binds = fs::write(file.folder.path().join("other"), "").is_err();
    let opened = SqliteStore::open(&file.path).await;
    // Or it could not be removed.
    fs::set_permissions(file.folder.path(), before).unwrap();
    if !binds {
        println!(
            "a_file_in_a_read_only_folder_is_refused: skipped, since permissions do not bind root"
        );
        return;
    }
    let advice = advice(&file.path, &opened.unwrap_err());
    assert!(advice.ends_with("let this process write the file and its folder"), "{advice}");
}

#[tokio::test]
async fn a_file_that_another_process_keeps_locked_is_refused_in_time() {
    let file = File::new();
    let other = Connection::open(&file.path).unwrap();
    other.execute_batch("CREATE TABLE app (x); BEGIN EXCLUSIVE").unwrap();
    let advice = "another process keeps it locked; end that process or its transaction";
    assert_eq!(within(5, file.refused()).await, advice);
    other.execute_batch("COMMIT").unwrap();
    drop(file.open().await);
    file.closed().await;

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(within(5, file.refused()).await, advice);
    other.execute_batch("COMMIT").unwrap();

    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO app VALUES (1)").unwrap();
    assert_eq!(within(5, file.refused()).await, advice);
}

#[tokio::test]
async fn a_file_that_is_locked_for_a_moment_is_waited_for() {
    let file = File::new();
    let other = Connection::open(&file.path).unwrap();
    other.execute_batch("CREATE TABLE app (x); BEGIN EXCLUSIVE").unwrap();
    let mut opening = pin!(file.open());
    assert!(tokio::time::timeout(StdDuration::from_millis(100), &mut opening).await.is_err());
    other.execute_batch("COMMIT").unwrap();
    opening.await;
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused() {
    let file = File::new();
    drop(file.open().await);
    file.sql("UPDATE curfew_schema SET version = 2");
    assert_eq!(
        file.refused().await,
        "a newer version of tower-curfew has written it; upgrade tower-curfew here as well"
    );
}

#[test]
fn many_open_the_same_new_file_at_once() {
    const MANY: usize = 8;
    let file = File::new();
    let start = Barrier::new(MANY);
    let opened = thread::scope(|scope| {
        let open = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            start.wait();
            runtime.unwrap().block_on(file.open())
        };
        let threads: Vec<_> = (0..MANY).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(file.number("SELECT opened FROM curfew_schema") as usize, opened.len());
}

#[tokio::test]
async fn the_app_keeps_its_own_tables_and_marks() {
    let file = File::new();
    file.sql(
        "PRAGMA user_version = 7; PRAGMA application_id = 8; CREATE TABLE sessions (x); \
         INSERT INTO sessions VALUES (9)",
    );
    let store = file.open().await;
    assert_eq!(store.insert(record(1), &[], None).await.unwrap(), Insert::Stored);
    assert_eq!(file.number("PRAGMA user_version"), 7);
    assert_eq!(file.number("PRAGMA application_id"), 8);
    assert_eq!(file.number("SELECT x FROM sessions"), 9);
}

#[tokio::test]
async fn it_shows_its_file_and_nothing_else() {
    let file = File::new();
    let shown = format!("{:?}", file.open().await);
    assert_eq!(shown, format!("SqliteStore {{ path: {:?}, .. }}", file.path));
}

// --- durability ----------------------------------------------------------------------------------

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_and_its_log_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let file = File::new();
    let _store = SqliteStore::open(&file.path).await.unwrap();
    let mut files = 0;
    for entry in fs::read_dir(file.folder.path()).unwrap() {
        let (entry, mode) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{}", entry.display());
        files += 1;
    }
    assert_eq!(files, 3);
}

#[tokio::test]
async fn everything_survives_closing_and_opening() {
    let file = File::new();
    let store = file.open().await;
    let mut whole = record(1);
    whole.kind = Kind::BrowserUntilClosed;
    whole.name = Some("laptop".into());
    whole.ends_by = Some(EndsBy { at: at(9000), org: Some("acme".into()) });
    whole.idle = Some(Duration::milliseconds(12_345));
    whole.client = Client {
        agent: Some("agent".into()),
        device: Some("device".into()),
        address: Some("2001:db8::1".parse().unwrap()),
        location: Some("Genève".into()),
    };
    whole.purge_after = Timestamp::NEVER;
    let mut bare = record(2);
    bare.memberships.clear();
    for record in [&whole, &bare] {
        assert_eq!(store.insert(record.clone(), &[], None).await.unwrap(), Insert::Stored);
    }
    let ended = Ended { at: at(77), reason: EndReason::Idle, org: Some("acme".into()) };
    assert_eq!(store.end(&Selector::session(bare.id), &ended).await.unwrap(), 1);
    drop(store);
    file.closed().await;

    let store = file.open().await;
    let facts = store.load(whole.id).await.unwrap().unwrap();
    let rules = OrgRules::first(whole.created);
    for membership in &mut whole.memberships {
        membership.generation = rules.generation();
    }
    assert_eq!(**facts.record(), whole);
    assert!(facts.memberships().all(|(_, stored)| **stored == rules));
    bare.ended = Some(ended);
    assert_eq!(**store.load(bare.id).await.unwrap().unwrap().record(), bare);
}

#[tokio::test]
async fn each_commit_reaches_the_disk() {
    let file = File::new();
    let Connections { writer, readers } = open::open(&file.path).unwrap();
    let ask = |connection: &Connection, pragma| {
        connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(ask(&writer, "synchronous"), 2, "full");
    assert_eq!(ask(&writer, "fullfsync"), 1);
    assert!(2 <= readers.len());
    for reader in &readers {
        assert_eq!(ask(reader, "query_only"), 1);
        assert_eq!(ask(reader, "busy_timeout"), 0);
    }
}

// --- writing -------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn of_64_parallel_touches_one_moves() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let touches: Vec<_> = (0..64)
        .map(|late| {
            let (store, touch) = (store.clone(), touch(1, 2000 + late));
            tokio::spawn(async move { store.touch(touch).await.unwrap() })
        })
        .collect();
    tokio::time::sleep(StdDuration::from_millis(50)).await;
    other.execute_batch("COMMIT").unwrap();
    let mut moved = 0;
    for touched in touches {
        match touched.await.unwrap() {
            Touched::Moved => moved += 1,
            Touched::Kept => {}
            Touched::Gone => panic!("it is there"),
        }
    }
    assert_eq!(moved, 1);
}

#[tokio::test]
async fn a_change_whose_caller_has_gone_before_it_began_is_not_made() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (which, ended) = (Selector::session(id(1)), Ended::revoked(at(5)));
    let end = store.end(&which, &ended);
    assert!(tokio::time::timeout(StdDuration::from_millis(50), end).await.is_err());
    other.execute_batch("COMMIT").unwrap();
    // Changes are made in turn, so by now that one would have been.
    assert_eq!(store.touch(touch(1, 2000)).await.unwrap(), Touched::Moved);
    assert_eq!(store.load(id(1)).await.unwrap().unwrap().record().ended, None);
}

#[tokio::test]
async fn a_write_lock_of_another_process_ends_in_an_error_and_can_be_got_over() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = within(5, store.touch(touch(1, 2000))).await.unwrap_err();
    assert_eq!(error.to_string(), "the session store is locked by another process");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.touch(touch(1, 2000)).await.unwrap(), Touched::Moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_takes_no_other_with_it() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The second one exists already, and would have ended the first and made an organisation.
    let mut second = record(1);
    second.memberships[0].org = "new".into();
    let inserts = [(record(2), vec![]), (second, vec![id(2)]), (record(3), vec![])].map(
        |(record, replaces)| {
            let store = store.clone();
            tokio::spawn(async move { store.insert(record, &replaces, None).await })
        },
    );
    tokio::time::sleep(StdDuration::from_millis(50)).await;
    other.execute_batch("COMMIT").unwrap();
    let [first, second, third] = inserts;
    assert_eq!(first.await.unwrap().unwrap(), Insert::Stored);
    let error = second.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the session store holds a record with this id already");
    assert_eq!(third.await.unwrap().unwrap(), Insert::Stored);
    assert_eq!(store.load(id(2)).await.unwrap().unwrap().record().ended, None);
    assert!(store.org_rules("new").await.unwrap().is_none());
}

/// A commit that fails, and a transaction that SQLite itself undoes: nobody of the group may think
/// that the change was made, and the next group is not harmed.
#[tokio::test]
async fn what_is_not_committed_is_not_acknowledged() {
    let good = |file: &Connection| run(file, "INSERT INTO a VALUES (NULL)");
    let fails_late = |file: &Connection| run(file, "INSERT INTO b VALUES (99)");
    let undoes_all = |file: &Connection| {
        run(file, "ROLLBACK")?;
        run(file, "INSERT INTO nothing VALUES (1)")
    };
    for bad in [fails_late, undoes_all] {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = ON; CREATE TABLE a (x INTEGER PRIMARY KEY); \
                 CREATE TABLE b (x REFERENCES a (x) DEFERRABLE INITIALLY DEFERRED)",
            )
            .unwrap();
        let (writer, queue) = writer::queue();
        // All three wait before the thread starts, so they are one group.
        let serve = async {
            thread::spawn(move || {
                writer::serve(&connection, queue);
                connection.query_row("SELECT count(*) FROM a", [], |row| row.get::<_, i64>(0))
            })
        };
        let (early, wrong, late, thread) =
            tokio::join!(writer.run(good), writer.run(bad), writer.run(good), serve);
        assert!(early.is_err() && wrong.is_err() && late.is_err());
        writer.run(good).await.unwrap();
        drop(writer);
        assert_eq!(thread.join().unwrap().unwrap(), 1);
    }
}

fn run(file: &Connection, sql: &str) -> Result<(), Failure> {
    Ok(file.execute_batch(sql)?)
}

// --- reading -------------------------------------------------------------------------------------

#[tokio::test]
async fn reading_goes_on_while_another_process_writes() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE curfew_sessions SET user = 'eve'").unwrap();
    let mut touching = pin!(store.touch(touch(1, 2000)));
    let waits = tokio::time::timeout(StdDuration::from_millis(50), &mut touching);
    assert!(waits.await.is_err());
    for _ in 0..100 {
        let facts = store.load(id(1)).await.unwrap().unwrap();
        assert_eq!(&*facts.record().user, "ada");
    }
    assert_eq!(store.list(&Selector::user("ada"), all()).await.unwrap().len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(touching.await.unwrap(), Touched::Moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_read_at_once_than_there_are_connections() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let readers: Vec<_> = (0..100)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.load(id(1)).await.unwrap().is_some() })
        })
        .collect();
    for reader in readers {
        assert!(reader.await.unwrap());
    }
}

/// Never a default, never a panic (R32), and nothing personal in the text (R36).
#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    for damage in [
        "UPDATE curfew_orgs SET rules = '1 x'",
        "DELETE FROM curfew_orgs",
        "UPDATE curfew_sessions SET kind = 'owl'",
        "UPDATE curfew_sessions SET address = '192.0.2.300'",
        "UPDATE curfew_sessions SET secret_hash = x'00'",
        "UPDATE curfew_sessions SET ended_at = 5",
        "UPDATE curfew_sessions SET ended_reason = 'idle'",
        "UPDATE curfew_sessions SET ended_at = 5, ended_reason = 'fun'",
        "UPDATE curfew_sessions SET ends_by_org = 'acme'",
        "UPDATE curfew_sessions SET name = CAST(x'ff' AS TEXT)",
        "UPDATE curfew_members SET version = -1",
        "UPDATE curfew_members SET version = 4294967296",
    ] {
        let file = File::new();
        let store = file.open().await;
        stored(&store, 1).await;
        file.sql(damage);
        let error = store.load(id(1)).await.expect_err(damage);
        let text = chain(&error);
        assert!(text.contains("; restore it from a backup: "), "{damage}: {text}");
        for personal in ["ada", "acme", "192.0.2", "owl"] {
            assert!(!text.contains(personal), "{damage}: {text}");
        }
        if !damage.contains("ended_at") {
            assert!(store.list(&Selector::user("ada"), all()).await.is_err(), "{damage}");
        }
    }
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    file.sql("UPDATE curfew_orgs SET rules = 'none'");
    assert!(store.org_rules("acme").await.is_err());
    assert!(store.put_org_rules("acme", Some(1), OrgRules::first(at(1))).await.is_err());
    assert!(store.insert(record(2), &[], None).await.is_err());
    assert!(store.load(id(2)).await.unwrap().is_none(), "the insert was undone");
}

/// Cost follows the person's own sessions, or the page, never the table.
#[test]
fn each_statement_has_its_index() {
    let file = File::new();
    let connection = open::open(&file.path).unwrap().writer;
    let after = Some((at(5), id(5)));
    let pages = [
        (Selector::user("ada").except(id(3)), "curfew_sessions_of_user"),
        (Selector::user("ada").only(id(3)), "sqlite_autoindex_curfew_sessions_1"),
        (Selector::session(id(3)), "sqlite_autoindex_curfew_sessions_1"),
        (Selector::org("acme").only(id(3)), "sqlite_autoindex_curfew_sessions_1"),
        (Selector::org("acme"), "curfew_members_of_org"),
    ];
    for (which, index) in &pages {
        for after in [None, after] {
            let page = selection::page(which, Page { after, at_most: 3 });
            let plan = plan(&connection, &page.sql, page.values);
            assert!(plan.contains(index), "{which:?}: {plan}");
            let one = which.by_session().is_some();
            assert!(one || !plan.contains("TEMP B-TREE"), "{which:?}: {plan}");
            assert!(!plan.contains("SCAN s"), "{which:?}: {plan}");
        }
    }
    for (which, index) in &pages[..4] {
        let end = selection::end(which, &Ended::revoked(at(1)));
        let plan = plan(&connection, &end.sql, end.values);
        assert!(plan.contains(index) && !plan.contains("SCAN"), "{which:?}: {plan}");
    }
    let end = selection::end(&Selector::org("acme"), &Ended::revoked(at(1)));
    let ending = plan(&connection, &end.sql, end.values);
    assert!(ending.contains("curfew_members_of_org") && !ending.contains("SCAN"), "{ending}");
    let loading = plan(&connection, rows::LOAD, vec![rusqlite::types::Value::Null]);
    assert!(!loading.contains("SCAN") && !loading.contains("TEMP B-TREE"), "{loading}");
}

// --- help ----------------------------------------------------------------------------------------

struct File {
    folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("sessions.db"), folder }
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path).await.unwrap()
    }

    async fn refused(&self) -> String {
        refused(&self.path).await
    }

    /// Waits until the last connection has been closed and has cleared its log away.
    async fn closed(&self) {
        let log = self.folder.path().join("sessions.db-wal");
        within(10, async {
            while log.exists() {
                tokio::time::sleep(StdDuration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// A connection as another process has it.
    fn connection(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn sql(&self, sql: &str) {
        self.connection().execute_batch(sql).unwrap();
    }

    fn number(&self, sql: &str) -> u32 {
        self.connection().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

async fn refused(path: impl AsRef<Path>) -> String {
    let error = SqliteStore::open(&path).await.unwrap_err();
    advice(path.as_ref(), &error)
}

/// What the error says after it has named the file.
fn advice(path: &Path, error: &OpenError) -> String {
    let text = error.to_string();
    let start = format!("cannot open the session store {}: ", path.display());
    text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned()
}

async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(StdDuration::from_secs(seconds), future).await.unwrap()
}

fn set_read_only(path: &Path) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions).unwrap();
}

fn id(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn all() -> Page {
    Page { after: None, at_most: 100 }
}

fn record(number: u8) -> Record {
    let join =
        |org: &str| Membership { org: org.into(), generation: 0, version: 0, joined: at(1000) };
    Record {
        id: id(number),
        secret_hash: SecretHash::from_bytes([number; 32]),
        user: "ada".into(),
        kind: Kind::Browser,
        name: None,
        memberships: vec![join("acme"), join("globex")],
        created: at(1000),
        authenticated: at(1000),
        seen: at(1000),
        ends_by: None,
        idle: None,
        client: Client::default(),
        ended: None,
        purge_after: at(99_000),
    }
}

async fn stored(store: &SqliteStore, number: u8) {
    assert_eq!(store.insert(record(number), &[], None).await.unwrap(), Insert::Stored);
}

fn touch(number: u8, seen: i64) -> Touch {
    Touch {
        id: id(number),
        secret_hash: SecretHash::from_bytes([number; 32]),
        seen: at(seen),
        last_seen: at(1000),
        client: Client::default(),
        purge_after: at(99_000),
    }
}

fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn plan(connection: &Connection, sql: &str, values: Vec<rusqlite::types::Value>) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps =
        statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
    steps.map(|step| step.unwrap()).collect::<Vec<_>>().join("; ")
}
