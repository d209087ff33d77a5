//! A file that is full or locked by another, and a process that is killed while it writes.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tower_curfew::store::SqliteStore;

use super::crowd::{Crowd, turn};
use crate::support::{AnyStore, Browser, Site};

/// Who is signed in is served all the time; whoever wants to write has to wait.
async fn only_read(crowd: &Crowd) {
    let both = |served, unavailable| served > 64 && unavailable > 0;
    crowd.works_until(Duration::from_secs(3), both).await;
}

async fn ends_well(crowd: Crowd) {
    crowd.is_well().await;
    crowd.goes_home().await;
}

async fn open(file: &Path) -> (SqliteStore, Crowd) {
    let turn = turn().await;
    let any = AnyStore::sqlite_in(file).await;
    let AnyStore::Sqlite { store, .. } = &any else { unreachable!() };
    let store = store.clone();
    let crowd = Crowd::over(turn, any).await;
    crowd.is_well().await;
    (store, crowd)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r33_the_file_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let (store, crowd) = open(&folder.path().join("sessions.db")).await;
    store.limit_size(1).await.unwrap();
    only_read(&crowd).await;
    store.limit_size(u64::MAX).await.unwrap();
    ends_well(crowd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r33_the_file_is_locked_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let (_store, crowd) = open(&file).await;
    let another = rusqlite::Connection::open(&file).unwrap();
    another.busy_timeout(Duration::from_secs(10)).unwrap();
    another.execute_batch("BEGIN IMMEDIATE").unwrap();
    only_read(&crowd).await;
    another.execute_batch("ROLLBACK").unwrap();
    ends_well(crowd).await;
}

const FILE: &str = "CURFEW_FILE_TO_WRITE";

/// Signs people in and out, and says so, until it is killed.
#[expect(clippy::print_stdout, reason = "the test that has started this process reads it")]
async fn signs_in_and_out_for_ever(file: &Path) {
    let site = Site::over(AnyStore::sqlite_in(file).await, |builder| builder);
    for number in 0_u64.. {
        let mut browser =
            site.signed_in(&format!("user {number}").replace(' ', "-"), &["acme"]).await;
        let cookie = browser.cookie.clone().unwrap();
        println!("in {cookie}");
        if number % 3 == 0 {
            assert_eq!(browser.post("/logout").await.status, 200);
            println!("out {cookie}");
        }
    }
}

/// What a process said before it was killed in the middle of its work.
fn killed_after(lines: usize, file: &Path) -> Vec<String> {
    let test = "faults::sqlite::r32_a_process_is_killed_while_it_writes";
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() != 0 {
        // The last line may be cut off.
        if line.ends_with('\n') && (line.starts_with("in ") || line.starts_with("out ")) {
            said.push(line.trim_end().to_owned());
        }
        line.clear();
        if said.len() == lines {
            process.kill().unwrap();
        }
    }
    assert!(!process.wait().unwrap().success());
    assert!(said.len() >= lines, "{} lines", said.len());
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_process_is_killed_while_it_writes() {
    if let Some(file) = env::var_os(FILE) {
        return signs_in_and_out_for_ever(Path::new(&file)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    for lines in [100, 217, 333] {
        let said = killed_after(lines, &file);
        let site = Site::over(AnyStore::sqlite_in(&file).await, |builder| builder);
        let browser = |cookie: &str| Browser { cookie: Some(cookie.to_owned()), ..site.browser() };
        for line in &said {
            let (what, cookie) = line.split_once(' ').unwrap();
            let out = format!("out {cookie}");
            let alive = browser(cookie).is_signed_in().await;
            // The very last one may have been signed out without saying so.
            if what == "out" || said.contains(&out) {
                assert!(!alive, "{line} had signed out");
            } else if line != said.last().unwrap() {
                assert!(alive, "{line} had signed in");
            }
        }
    }
}
