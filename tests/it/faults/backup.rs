//! A file of SQLite that is restored from a backup, as the page on stores says.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::support::{AnyStore, Browser, Site, hours};
use tower_curfew::OrgPolicy;

async fn open(file: &Path) -> Site {
    Site::over(AnyStore::sqlite_in(file).await, |builder| builder)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", file.display()))
}

/// A backup, what happened afterwards, and the files as a crash leaves them.
struct Crashed {
    _folder: tempfile::TempDir,
    backup: PathBuf,
    file: PathBuf,
    signed_out_since: Browser,
    stayed: Browser,
    came_since: Browser,
}

async fn crashed() -> Crashed {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (running, backup, file) = (at("sessions.db"), at("backup.db"), at("crashed.db"));
    let site = open(&running).await;
    let mut signed_out_since = site.signed_in("ada", &["acme"]).await;
    let cookie_of_then = signed_out_since.cookie.clone();
    let stayed = site.signed_in("bob", &["acme"]).await;
    site.set_policy("acme", OrgPolicy::absolute(hours(8))).await;
    let to = backup.display().to_string();
    Connection::open(&running).unwrap().execute("VACUUM INTO ?1", [to]).unwrap();

    assert_eq!(signed_out_since.post("/logout").await.status, 200);
    signed_out_since.cookie = cookie_of_then;
    let came_since = site.signed_in("carol", &[]).await;
    for number in 0..40 {
        site.signed_in(&format!("user-{number}"), &["globex"]).await;
    }
    // As a power failure finds them: the newest changes are in the log.
    for ending in ["", "-wal", "-shm"] {
        fs::copy(beside(&running, ending), beside(&file, ending)).unwrap();
    }
    assert!(0 < fs::metadata(beside(&file, "-wal")).unwrap().len());
    Crashed { _folder: folder, backup, file, signed_out_since, stayed, came_since }
}

/// The same browser on another site.
fn on(site: &Site, browser: &Browser) -> Browser {
    Browser { cookie: browser.cookie.clone(), ..site.browser() }
}

#[tokio::test]
async fn r38_nobody_of_a_restored_backup_is_let_in_after_everyone_was_revoked() {
    let crashed = crashed().await;
    for ending in ["-wal", "-shm"] {
        fs::remove_file(beside(&crashed.file, ending)).unwrap();
    }
    fs::copy(&crashed.backup, &crashed.file).unwrap();
    let site = open(&crashed.file).await;
    // This is why.
    assert!(on(&site, &crashed.signed_out_since).is_signed_in().await, "as it was then");
    assert!(on(&site, &crashed.stayed).is_signed_in().await);
    assert!(!on(&site, &crashed.came_since).is_signed_in().await, "the backup knows nobody since");

    site.curfew.operator("restored").revoke_everyone().await.unwrap();
    for browser in [&crashed.signed_out_since, &crashed.stayed, &crashed.came_since] {
        assert!(!on(&site, browser).is_signed_in().await);
    }
    let new = site.signed_in("ada", &["acme"]).await;
    assert!(on(&site, &new).is_signed_in().await);
    let policy = site.curfew.policy("acme").await.unwrap();
    assert!(policy.is_some(), "policies are those of then");
}

/// The log of another file is taken for that of the backup: what comes of it is neither.
#[tokio::test]
async fn a_backup_beside_an_old_log_is_destroyed() {
    let crashed = crashed().await;
    fs::copy(&crashed.backup, &crashed.file).unwrap();
    let rows = |file: &Path| -> rusqlite::Result<Vec<Vec<u8>>> {
        let connection = Connection::open(file)?;
        let intact: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        let mut bodies = connection.prepare("SELECT body FROM curfew_sessions ORDER BY id")?;
        let bodies = bodies.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(if intact == "ok" { bodies } else { Vec::new() })
    };
    let backup = rows(&crashed.backup).unwrap();
    assert_eq!(backup.len(), 2);
    assert_ne!(rows(&crashed.file).unwrap_or_default(), backup);
}
