//! The command `copy`.

use clap::Parser;
use time::Duration;
use tower_curfew::store::{SqliteStore, Store};
use tower_curfew::{Curfew, Keyring, NewSession, OrgPolicy};

use crate::options::Options;

/// What the command line says, and whether it succeeds. Sessions are in files of this folder.
async fn command(folder: &std::path::Path, line: &str) -> anyhow::Result<String> {
    let line = line.replace("@", &format!("sqlite:{}/", folder.display()));
    let options = Options::try_parse_from(["console", "copy"].into_iter().chain(line.split(' ')))?;
    options.command.unwrap().run().await
}

#[tokio::test]
async fn all_sessions_and_policies_move_to_another_store() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let handle = async |name: &str| {
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let store = SqliteStore::open(at(name)).await.unwrap();
        Curfew::builder(store, keyring).build().unwrap()
    };
    let old = handle("old.db").await;
    let issued = old.operator("tests").issue_token(NewSession::for_user("ada")).await.unwrap();
    old.operator("tests").set_policy("acme", OrgPolicy::idle(Duration::HOUR)).await.unwrap();
    for before in [0, 1] {
        let said = command(folder.path(), "--from @old.db --to @new.db").await.unwrap();
        let expected = format!(
            "copied 1 sessions and the rules of 2 organizations; {before} were there before\n"
        );
        assert_eq!(said, expected);
    }
    let moved = SqliteStore::open(at("new.db")).await.unwrap();
    let loaded = moved.load(issued.id()).await.unwrap().unwrap();
    assert_eq!(&**loaded.record.user(), "ada");
}

#[tokio::test]
async fn what_cannot_be_copied_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let refused = async |line: &str| {
        let error = command(folder.path(), line).await.unwrap_err();
        format!("{error:#}")
    };
    for line in ["--from memory --to @new.db", "--from @new.db --to memory"] {
        std::fs::write(folder.path().join("new.db"), "").unwrap();
        let said = refused(line).await;
        assert!(said.contains("the memory of another process is out of reach"), "{said}");
    }
    let said = refused("--from @missing.db --to @new.db").await;
    assert!(said.contains("missing.db; check --from"), "{said}");
    assert!(!folder.path().join("missing.db").exists(), "and it is not created");
    let said = refused("--from @new.db --to @new.db").await;
    assert!(said.contains("the same store; give another --to"), "{said}");
    assert!(refused("--from @new.db").await.contains("--to <STORE>"));
    assert!(refused("--from mysql://localhost --to @new.db").await.contains("give memory, sqlite"));

    // Another app's store, in use already.
    for (name, org) in [("one.db", "acme"), ("other.db", "globex")] {
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let store = SqliteStore::open(folder.path().join(name)).await.unwrap();
        let curfew = Curfew::builder(store, keyring).build().unwrap();
        curfew.operator("tests").revoke_org(org).await.unwrap();
    }
    let said = refused("--from @one.db --to @other.db").await;
    assert!(said.ends_with("it is in use already; take an empty store"), "{said}");
}
