//! The peculiarities of SQLite. The conformance suite tests the contract.

use std::error::Error as StdError;
use std::fs;
use std::future::Future;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration as StdDuration;

use rusqlite::{Connection, OpenFlags, params_from_iter};
use tempfile::TempDir;
use time::Duration;

use super::error::Failure;
use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::limits::Limits;
use crate::policy::{ChangedRules, OrgPolicy};
use crate::session::{
    ClientDetails, EndReason, Ended, FixedDeadline, Membership, SecretHash, SessionKind, Stamp,
};

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
    // As a file that was never a store, as one without its log, and as one with a log.
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
    assert_eq!(in_time(file.refused()).await, advice);
    other.execute_batch("COMMIT").unwrap();
    drop(file.open().await);
    file.closed().await;

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(in_time(file.refused()).await, advice);
    other.execute_batch("COMMIT").unwrap();

    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO app VALUES (1)").unwrap();
    assert_eq!(in_time(file.refused()).await, advice);
}

/// On a machine so busy that one try takes as long as all of them should.
#[test]
fn a_locked_file_is_given_up_by_the_clock_and_not_by_the_number_of_tries() {
    let wait = StdDuration::from_millis(20);
    let mut tries = 0;
    let slow = || {
        tries += 1;
        thread::sleep(wait);
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        Err(rusqlite::Error::SqliteFailure(busy, None).into())
    };
    assert!(open::retried(wait, slow).is_err());
    assert_eq!(tries, 1);
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
async fn tables_of_another_format_are_refused() {
    let file = File::new();
    drop(file.open().await);
    for (format, advice) in [
        (3, "a newer version of tower-curfew has written it; upgrade tower-curfew here as well"),
        (
            1,
            "its tables have the format of a version before the first release; give another file, \
             or delete its tables `curfew_…`, which signs everybody out",
        ),
    ] {
        file.sql(&format!("UPDATE curfew_schema SET version = {format}"));
        assert_eq!(file.refused().await, advice);
    }
}

#[tokio::test]
async fn tables_that_lack_something_are_refused() {
    for change in [
        "DROP TABLE curfew_session_keys",
        "DROP TABLE curfew_rules",
        "ALTER TABLE curfew_sessions RENAME COLUMN body TO content",
        "ALTER TABLE curfew_sessions DROP COLUMN ended_reason",
    ] {
        let file = File::new();
        drop(file.open().await);
        file.sql(change);
        assert_eq!(
            file.refused().await,
            "a table or a column of the store is missing; restore it from a backup, or give \
             another file, which signs everybody out",
            "{change}"
        );
    }
}

/// Each error has its own advice, including those that no test can cause on every machine.
#[test]
fn what_sqlite_says_of_a_file_becomes_advice() {
    use rusqlite::ffi;

    let file = File::new();
    let mut all = std::collections::HashSet::new();
    for (code, part) in [
        (ffi::SQLITE_NOTADB, "it is no SQLite database"),
        (ffi::SQLITE_BUSY, "another process keeps it locked"),
        (ffi::SQLITE_READONLY, "it can be read but not written"),
        (ffi::SQLITE_FULL, "the disk is full; free some space"),
        (ffi::SQLITE_CANTOPEN, "it cannot be opened or created"),
        (ffi::SQLITE_IOERR, "its disk does not read or write it"),
        (ffi::SQLITE_NOMEM, "SQLite refuses it; see the source of this error"),
    ] {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let advice = advice(&file.path, &error::Obstacle::from(error).at(&file.path));
        assert!(advice.starts_with(part), "{advice}");
        assert!(all.insert(advice), "each its own");
    }
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
    stored(&store, 1).await;
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
    let client = ClientDetails {
        agent: Some("agent".into()),
        device: Some("device".into()),
        address: Some("2001:db8::1".parse().unwrap()),
        location: Some("Genève".into()),
    };
    let whole = record(1)
        .with_kind(SessionKind::BrowserUntilClosed)
        .with_name(Some("laptop".into()))
        .with_limits(Limits::idle(Duration::milliseconds(12_345)))
        .with_fixed_deadline(Some(FixedDeadline { at: at(9000), org: Some("acme".into()) }))
        .with_client(&client)
        .with_purge_after(Timestamp::NEVER);
    let ended = Ended { at: at(77), reason: EndReason::Idle, org: Some("acme".into()) };
    let bare = record(2).with_memberships(Vec::new()).with_end(ended);
    let rules = OrgRules::none().with_policy(Some(WEEK), Duration::MAX, at(5), 3).unwrap();
    for record in [&whole, &bare] {
        let inserted = store.insert(Arc::new(record.clone()), None).await.unwrap();
        assert_eq!(inserted, Inserted::Done);
    }
    assert!(store.replace_rules("acme", rules.clone(), at(5)).await.unwrap());
    let before = store.rules_since(Revision::NONE, 9).await.unwrap();
    drop(store);
    file.closed().await;

    let store = file.open().await;
    for record in [whole, bare] {
        let loaded = store.load(record.id()).await.unwrap().unwrap();
        // The previous revision is not stored.
        assert_eq!(loaded.record.encode(), record.encode());
        assert_eq!(loaded.rules, before.reaches);
    }
    let after = store.rules_since(Revision::NONE, 9).await.unwrap();
    assert_eq!((after.reaches, after.incarnation), (before.reaches, before.incarnation));
    assert_eq!(after.changes[0].rules.as_ref().unwrap().encode(), rules.encode());
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
async fn of_64_who_wait_for_the_same_lock_one_is_done() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let touches: Vec<_> = (0..64)
        .map(|late| {
            let (store, touched) = (store.clone(), touched(1, 2000 + late));
            tokio::spawn(async move { store.replace(touched).await.unwrap() })
        })
        .collect();
    tokio::time::sleep(StdDuration::from_millis(50)).await;
    other.execute_batch("COMMIT").unwrap();
    let mut done = 0;
    for touched in touches {
        match touched.await.unwrap() {
            Replaced::Done => done += 1,
            Replaced::Stale => {}
            Replaced::Gone => panic!("it is there"),
        }
    }
    assert_eq!(done, 1);
}

#[tokio::test]
async fn a_change_whose_caller_has_gone_before_it_began_is_not_made() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ended = record(1).next(2).with_end(Ended::revoked(at(5)));
    let end = store.replace(Arc::new(ended));
    assert!(tokio::time::timeout(StdDuration::from_millis(50), end).await.is_err());
    other.execute_batch("COMMIT").unwrap();
    // Changes are made in turn, so that one would have been made by now.
    assert_eq!(store.replace(touched(1, 2000)).await.unwrap(), Replaced::Done);
    assert!(!store.load(id(1)).await.unwrap().unwrap().record.has_ended());
}

#[tokio::test]
async fn a_write_lock_of_another_process_ends_in_an_error_and_can_be_got_over() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = in_time(store.replace(touched(1, 2000))).await.unwrap_err();
    assert_eq!(error.to_string(), "the session store is locked by another process");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.replace(touched(1, 2000)).await.unwrap(), Replaced::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_takes_no_other_with_it() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    // It fails after the record has been written.
    file.sql(
        "CREATE TRIGGER x BEFORE INSERT ON curfew_session_keys WHEN NEW.created = 9 \
         BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let hash = SecretHash::from_bytes([4; 32]);
    let wrong = Record::begin(id(4), hash, "ada", at(9), 1).with_purge_after(at(99_000));
    let inserts = [record(2), wrong, record(3)].map(|record| {
        let store = store.clone();
        tokio::spawn(async move { store.insert(Arc::new(record), None).await })
    });
    tokio::time::sleep(StdDuration::from_millis(50)).await;
    other.execute_batch("COMMIT").unwrap();
    let [first, second, third] = inserts;
    assert_eq!(first.await.unwrap().unwrap(), Inserted::Done);
    second.await.unwrap().unwrap_err();
    assert_eq!(third.await.unwrap().unwrap(), Inserted::Done);
    assert!(store.load(id(4)).await.unwrap().is_none(), "all of it or nothing");
}

/// A commit that fails, and a transaction that SQLite itself undoes: no caller of the group may
/// conclude that its change was made, and the next group is not affected.
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
                writer::serve(
                    &connection,
                    Teller::new(Arc::default()),
                    Log::of(Path::new("")),
                    queue,
                );
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

/// A sign-in that does not fit undoes the transaction that it is in.
#[tokio::test]
async fn a_limit_of_the_size_stands_whatever_becomes_of_those_who_write_at_the_same_time() {
    let file = File::new();
    let Connections { writer: connection, readers } = open::open(&file.path).unwrap();
    assert!(write::limit_size(&connection, 1).is_ok());
    let (writer, queue) = writer::queue();
    let (path, readers, log) = (file.path.clone(), Readers::new(readers), Log::of(&file.path));
    let store = SqliteStore(Arc::new(Shared { path, readers, writer, watchers: Arc::default() }));
    let many = (0..999).map(|number| Membership {
        org: format!("org {number}").into(),
        stamp: Stamp::default(),
        joined: at(1000),
    });
    let large = |number| Arc::new(record(number).with_memberships(many.clone().collect()));
    // All wait before the thread starts, so they are one group.
    let serve = async {
        thread::spawn(move || writer::serve(&connection, Teller::new(Arc::default()), log, queue))
    };
    let (before, raised, after, _) = tokio::join!(
        store.insert(large(1), None),
        store.limit_size(u64::MAX),
        store.insert(large(2), None),
        serve
    );
    raised.unwrap();
    assert_eq!((before.unwrap(), after.unwrap()), (Inserted::Done, Inserted::Done));
    let (limited, after) = tokio::join!(store.limit_size(1), store.insert(large(3), None));
    limited.unwrap();
    after.unwrap_err();
    store.insert(large(3), None).await.unwrap_err();
}

fn run(file: &Connection, sql: &str) -> Result<(), Failure> {
    Ok(file.execute_batch(sql)?)
}

// --- purging -------------------------------------------------------------------------------------

/// A sign-in during a large purge waits for one step, not for all.
#[tokio::test]
async fn r37_a_sign_in_comes_in_between_two_steps_of_a_purge() {
    const MANY: u32 = 1000;
    let file = File::new();
    let store = file.open().await;
    store.import((0..MANY).map(due).collect()).await.unwrap();
    let sign_in = async {
        stored(&store, 1).await;
        file.number("SELECT count(*) FROM curfew_sessions")
    };
    let (purged, left) = tokio::join!(store.purge(at(99_000), MANY), sign_in);
    assert_eq!(purged.unwrap(), u64::from(MANY));
    assert!(MANY - 3 * write::PURGE_STEP <= left, "{left} were left");
    // The one who signed in was due by then, too.
    assert_eq!(store.purge(at(99_000), MANY).await.unwrap(), 1);
    assert_eq!(file.number("SELECT count(*) FROM curfew_session_keys"), 0);
}

/// With `CURFEW_LONG=1` a million.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r37_people_sign_in_and_out_while_very_many_are_purged() {
    let many: u32 = if is_long() { 1_000_000 } else { 5_000 };
    let file = File::new();
    let store = file.open().await;
    for from in (0..many).step_by(1000) {
        store.import((from..from + 1000).map(due).collect()).await.unwrap();
    }
    let begun = SystemClock.now();
    let purging = {
        let store = store.clone();
        tokio::spawn(async move {
            let mut sum = 0;
            loop {
                let purged = store.purge(at(99_000), 250).await.unwrap();
                sum += purged;
                if purged < 250 {
                    return sum;
                }
            }
        })
    };
    let (mut people, mut longest) = (0_u32, Duration::ZERO);
    while !purging.is_finished() {
        let begun = SystemClock.now();
        let new = Arc::new((*due(many + people)).clone().with_purge_after(Timestamp::NEVER));
        assert_eq!(store.insert(new.clone(), None).await.unwrap(), Inserted::Done);
        longest = longest.max(SystemClock.now().since(begun));
        let ended = new.next(2).with_end(Ended::revoked(at(5)));
        assert_eq!(store.replace(Arc::new(ended)).await.unwrap(), Replaced::Done);
        people += 1;
    }
    let purged = purging.await.unwrap();
    let took = SystemClock.now().since(begun);
    println!("{purged} purged in {took}; {people} signed in and out, the longest in {longest}");
    assert!(u64::from(many) <= purged);
    assert!(many / write::PURGE_STEP / 10 <= people, "{people} came in between");
    assert_eq!(file.number("SELECT count(*) FROM curfew_session_keys"), 0);
}

/// Of one user in three, with two organizations, and due.
fn due(number: u32) -> Arc<Record> {
    let mut bytes = [0; 16];
    let spread = u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes[..8].copy_from_slice(&(spread ^ spread >> 29).to_be_bytes());
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    let joined = |org: u32| Membership {
        org: format!("org {}", org % 1000).into(),
        stamp: Stamp::default(),
        joined: at(1000),
    };
    let hash = SecretHash::from_bytes([7; 32]);
    let user = format!("user-{:08x}", number / 3);
    let record = Record::begin(SessionId::from_bytes(bytes), hash, user, at(1000), 1)
        .with_memberships(vec![joined(number / 7), joined(number / 3 + 500)])
        .with_purge_after(at(2000 + i64::from(number % 90_000)));
    Arc::new(record)
}

fn is_long() -> bool {
    std::env::var_os("CURFEW_LONG").is_some_and(|long| long == "1")
}

// --- the log -------------------------------------------------------------------------------------

/// Readers that overlap all the time, in this process and in another: some connection reads at
/// every moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_short_however_many_read_all_the_time() {
    if let Some(file) = told_by_parent() {
        return reads_for_ever(&file);
    }
    const BOUND: u64 = 2 * log::MAX_BYTES;
    let file = File::new();
    let store = file.open().await;
    let many = (0..999).map(|number| Membership {
        org: format!("organization number {number}").into(),
        stamp: Stamp::default(),
        joined: at(1000),
    });
    let mut large = Arc::new(record(1).with_memberships(many.collect()));
    assert_eq!(store.insert(large.clone(), None).await.unwrap(), Inserted::Done);
    let stops = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|number| {
            let (path, stops) = (file.path.clone(), stops.clone());
            thread::spawn(move || reads(&path, number, || stops.load(Ordering::Relaxed)))
        })
        .collect();
    let mut elsewhere =
        child("the_log_stays_short_however_many_read_all_the_time", &file.path).spawn().unwrap();
    let log = file.folder.path().join("sessions.db-wal");
    let (mut written, mut longest) = (0, 0);
    while written < 2 * BOUND {
        large = Arc::new(large.next(3).with_activity(at(2000 + (written >> 10) as i64)));
        written += large.encode().len() as u64;
        assert_eq!(store.replace(large.clone()).await.unwrap(), Replaced::Done);
        longest = longest.max(fs::metadata(&log).unwrap().len());
    }
    stops.store(true, Ordering::Relaxed);
    elsewhere.kill().unwrap();
    elsewhere.wait().unwrap();
    let reads: u32 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    println!("{written} bytes written, {reads} reads, the log had {longest} bytes at most");
    assert!(longest <= BOUND, "{longest} of {written} bytes written, beside {reads} reads");
    assert!(super::open::MOVED_BYTES < longest && 3 < reads);
}

/// Reads repeatedly, for a few milliseconds each time.
fn reads(path: &Path, number: u64, stops: impl Fn() -> bool) -> u32 {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(StdDuration::from_secs(60)).unwrap();
    let mut reads = 0;
    while !stops() {
        connection.execute_batch("BEGIN; SELECT count(*) FROM curfew_schema").unwrap();
        thread::sleep(StdDuration::from_millis(3 + number));
        connection.execute_batch("COMMIT").unwrap();
        reads += 1;
    }
    reads
}

/// Until it is killed.
fn reads_for_ever(file: &Path) {
    thread::scope(|scope| {
        (0..2).for_each(|number| drop(scope.spawn(move || reads(file, number, || false))));
    });
}

const FILE: &str = "CURFEW_FILE_TO_WRITE";

/// The file to work on, in a process that a test has started for itself.
fn told_by_parent() -> Option<PathBuf> {
    std::env::var_os(FILE).map(PathBuf::from)
}

/// One of these tests in a process of its own.
fn child(name: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = format!("store::sqlite::tests::{name}");
    // With one thread, its name would stand before the first line of its output.
    command.args(["--exact", &test, "--nocapture", "--test-threads", "2"]).env(FILE, file);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

// --- several processes ---------------------------------------------------------------------------

/// A change that one process has acknowledged is visible to the other at its next call, in both
/// directions.
#[tokio::test]
async fn two_processes_see_each_others_changes_at_the_next_call() {
    if let Some(file) = told_by_parent() {
        return ends_whom_it_is_told(&file).await;
    }
    let file = File::new();
    let store = file.open().await;
    let mut other = child("two_processes_see_each_others_changes_at_the_next_call", &file.path)
        .spawn()
        .unwrap();
    let mut orders = other.stdin.take().unwrap();
    let mut answers = BufReader::new(other.stdout.take().unwrap()).lines();
    let mut rules = Revision::NONE;
    for number in 1..=50 {
        stored(&store, number).await;
        writeln!(orders, "{number}").unwrap();
        let said = answers.find(|line| line.as_ref().unwrap().ends_with("has ended"));
        assert!(said.is_some(), "the other process has gone");
        let loaded = store.load(id(number)).await.unwrap().unwrap();
        assert!(loaded.record.has_ended(), "{number}");
        assert!(rules < loaded.rules, "it has also changed rules");
        let changed = store.rules_since(rules, 100).await.unwrap();
        rules = changed.reaches;
        assert_eq!(rules, loaded.rules);
        assert_eq!(generation(&changed.changes), 4 + u64::from(number));
        assert_eq!(store.list(&Key::user("ada"), all()).await.unwrap().records.len(), 0);
    }
    drop(orders);
    assert!(other.wait().unwrap().success());
}

/// Ends the sessions with the given numbers, which another process has just inserted, and revokes
/// an organization with each.
async fn ends_whom_it_is_told(file: &Path) {
    let store = SqliteStore::open(file).await.unwrap();
    for line in std::io::stdin().lines() {
        let number = line.unwrap().parse().unwrap();
        let there = store.load(id(number)).await.unwrap().expect("the other one has filed it");
        let ended = there.record.next(3).with_end(Ended::revoked(at(5)));
        assert_eq!(store.replace(Arc::new(ended)).await.unwrap(), Replaced::Done);
        assert!(revoke(&store, "acme").await);
        println!("{number} has ended");
    }
}

/// Three processes sign users in and out, change the same rules, and purge: no acknowledged change
/// is lost, and a cap holds for all of them together.
#[tokio::test]
async fn r29_several_processes_work_on_one_file_and_nothing_is_lost() {
    if let Some(file) = told_by_parent() {
        return works_beside_others(&file).await;
    }
    let name = "r29_several_processes_work_on_one_file_and_nothing_is_lost";
    let file = File::new();
    let store = file.open().await;
    let start = || child(name, &file.path).spawn().unwrap();
    let processes = [start(), start(), start()];
    let mut said = Vec::new();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        said.extend(text.lines().map(str::to_owned));
    }
    let told = |what: &str| -> Vec<SessionId> {
        let ids = said.iter().filter_map(|line| line.strip_prefix(what));
        ids.map(|id| id.parse().unwrap()).collect()
    };
    let (signed_in, signed_out) = (told("in "), told("out "));
    assert_eq!((signed_in.len(), signed_out.len()), (3 * WORK, 3 * WORK / 2));
    for id in &signed_in {
        let record = store.load(*id).await.unwrap().expect("it was acknowledged").record;
        assert_eq!(record.has_ended(), signed_out.contains(id), "{id}");
    }
    let listed = store.list(&Key::user("many"), Page { after: None, at_most: 1000 }).await.unwrap();
    assert_eq!(listed.records.len(), 3 * WORK / 2);
    let revocations = said.iter().filter(|line| *line == "revoked").count();
    assert_eq!(revocations, 3 * WORK);
    let rules = store.rules_since(Revision::NONE, 100).await.unwrap().changes;
    assert_eq!(generation(&rules), 4 + revocations as u64, "each counts, and none twice");
    assert_eq!(told("capped ").len(), CAP as usize, "never one more, and never one less");
    assert_eq!(store.list(&Key::user("few"), all()).await.unwrap().records.len(), CAP as usize);
    let due = store.list(&Key::user("due"), all()).await.unwrap().records;
    assert_eq!(due.len(), 0, "whoever has purged them");
    let purged = said
        .iter()
        .filter_map(|line| line.strip_prefix("purged "))
        .map(|n| n.parse::<usize>().unwrap());
    assert!(purged.sum::<usize>() <= 3 * WORK, "none is counted twice");
}

const WORK: usize = 40;
const CAP: u32 = 7;

async fn works_beside_others(file: &Path) {
    let store = SqliteStore::open(file).await.unwrap();
    let new = |user: &str| {
        let hash = SecretHash::from_bytes([4; 32]);
        Record::begin(crate::token::random_id(), hash, user, at(1000), crate::token::nonce())
    };
    // The machine may be busy, and another process may write for longer than a change waits.
    async fn insert(store: &SqliteStore, record: &Arc<Record>, cap: Option<Cap>) -> Inserted {
        loop {
            match store.insert(record.clone(), cap).await {
                Ok(inserted) => return inserted,
                Err(error) => assert!(error.to_string().ends_with("locked by another process")),
            }
        }
    }
    for number in 0..WORK {
        let record = Arc::new(new("many").with_purge_after(Timestamp::NEVER));
        assert_eq!(insert(&store, &record, None).await, Inserted::Done);
        println!("in {}", record.id());
        if number % 2 == 0 {
            let ended = Arc::new(record.next(3).with_end(Ended::revoked(at(i64::MAX / 4))));
            while store.replace(ended.clone()).await.ok() != Some(Replaced::Done) {}
            println!("out {}", record.id());
        }
        while !revoke(&store, "acme").await {}
        println!("revoked");
        let record = Arc::new(new("few").with_purge_after(Timestamp::NEVER));
        let cap = Some(Cap { at_most: CAP, except: None });
        if insert(&store, &record, cap).await == Inserted::Done {
            println!("capped {}", record.id());
        }
        let due = Arc::new(new("due").with_purge_after(at(2000)));
        assert_eq!(insert(&store, &due, None).await, Inserted::Done);
        // If another process delayed it, it may have purged some before, which are not counted.
        while let Err(error) = store.purge(at(3000), 100).await.map(|n| println!("purged {n}")) {
            assert!(error.to_string().ends_with("locked by another process"));
        }
    }
}

/// Adds one revocation, unless another process is faster or writes for long.
async fn revoke(store: &SqliteStore, org: &str) -> bool {
    let all = store.rules_since(Revision::NONE, 100).await.unwrap().changes;
    let found = all.into_iter().find(|changed| &*changed.org == org);
    let rules = found.map_or(OrgRules::none(), |found| found.rules.unwrap());
    let next = rules.with_revocation(at(5), crate::token::nonce());
    store.replace_rules(org, next, at(5)).await.unwrap_or_default()
}

fn generation(changes: &[ChangedRules]) -> u64 {
    changes.first().map_or(0, |changed| changed.rules.as_ref().unwrap().generation())
}

// --- reading -------------------------------------------------------------------------------------

#[tokio::test]
async fn reading_goes_on_while_another_process_writes() {
    let file = File::new();
    let store = file.open().await;
    stored(&store, 1).await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM curfew_sessions").unwrap();
    let mut touching = pin!(store.replace(touched(1, 2000)));
    let waits = tokio::time::timeout(StdDuration::from_millis(50), &mut touching);
    assert!(waits.await.is_err());
    for _ in 0..100 {
        assert!(store.load(id(1)).await.unwrap().is_some());
    }
    assert_eq!(store.list(&Key::user("ada"), all()).await.unwrap().records.len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(touching.await.unwrap(), Replaced::Done);
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

/// Never a default, never a panic (R32), and no personal data in the text (R36).
#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    for damage in [
        "UPDATE curfew_sessions SET body = x''",
        "UPDATE curfew_sessions SET body = substr(body, 1, 40)",
        "UPDATE curfew_sessions SET body = CAST(body || x'00' AS BLOB)",
        "UPDATE curfew_sessions SET body = x'bfff'",
    ] {
        let file = File::new();
        let store = file.open().await;
        stored(&store, 1).await;
        file.sql(damage);
        let text = chain(&store.load(id(1)).await.expect_err(damage));
        assert!(text.contains(" restore it from a backup: damaged"), "{damage}: {text}");
        assert!(!text.contains("ada") && !text.contains("acme"), "{damage}: {text}");
        let listed = store.list(&Key::user("ada"), all()).await.unwrap();
        assert_eq!((listed.records.len(), listed.unreadable), (0, 1), "{damage}");
        // It can still be deleted.
        assert_eq!(store.purge(at(99_000), 9).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn rules_that_cannot_be_read_hide_no_others() {
    let file = File::new();
    let store = file.open().await;
    for org in ["acme", "globex"] {
        let rules = OrgRules::none().with_policy(Some(WEEK), Duration::MAX, at(5), 3).unwrap();
        assert!(store.replace_rules(org, rules, at(5)).await.unwrap());
    }
    file.sql("UPDATE curfew_rules SET body = x'00' WHERE org = 'acme'");
    let changed = store.rules_since(Revision::NONE, 9).await.unwrap();
    let readable = changed.changes.iter().map(|changed| (&*changed.org, changed.rules.is_ok()));
    assert_eq!(readable.collect::<Vec<_>>(), [("acme", false), ("globex", true)]);
}

/// The cost depends on the user's own sessions, or the page, never on the table.
#[test]
fn each_statement_has_its_index() {
    let file = File::new();
    let connection = open::open(&file.path).unwrap().writer;
    for (sql, parameters, index) in [
        (read::LOAD, 1, "sqlite_autoindex_curfew_sessions_1"),
        (read::LIST, 4, "SEARCH k USING PRIMARY KEY (key=?"),
        (read::RULES_SINCE, 2, "sqlite_autoindex_curfew_rules_2"),
        (write::DUE, 2, "curfew_sessions_to_purge"),
        (write::COUNT, 2, "SEARCH k USING PRIMARY KEY (key=?)"),
    ] {
        let plan = plan(&connection, sql, vec![rusqlite::types::Value::Null; parameters]);
        assert!(plan.contains(index), "{plan}");
        let scans = plan.replace("SCAN m", "");
        assert!(!scans.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
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

    /// Waits until the last connection has been closed and has removed its log.
    async fn closed(&self) {
        let log = self.folder.path().join("sessions.db-wal");
        in_time(async {
            while log.exists() {
                tokio::time::sleep(StdDuration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// A connection like that of another process.
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

/// The text of the error after the name of the file.
fn advice(path: &Path, error: &OpenError) -> String {
    let text = error.to_string();
    let start = format!("cannot open the session store {}: ", path.display());
    text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// A timeout so long that only a hang exceeds it, even on a busy machine.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(StdDuration::from_secs(60), future).await.unwrap()
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

const WEEK: OrgPolicy = OrgPolicy::absolute(Duration::days(7));

fn record(number: u8) -> Record {
    let joined =
        |org: &str| Membership { org: org.into(), stamp: Stamp::default(), joined: at(1000) };
    let hash = SecretHash::from_bytes([number; 32]);
    Record::begin(id(number), hash, "ada", at(1000), 1)
        .with_memberships(vec![joined("acme"), joined("globex")])
        .with_purge_after(at(99_000))
}

async fn stored(store: &SqliteStore, number: u8) {
    let inserted = store.insert(Arc::new(record(number)), None).await.unwrap();
    assert_eq!(inserted, Inserted::Done);
}

fn touched(number: u8, seen: i64) -> Arc<Record> {
    let nonce = u32::try_from(seen).unwrap();
    Arc::new(record(number).next(nonce).with_activity(at(seen)))
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
