//! Users with few rights, passwords that change, and sockets.

use std::sync::{Arc, Mutex};

use redis::aio::MultiplexedConnection;
use time::Duration;
use tower_curfew::store::{Key, RedisStore, Revision, Store as _};

use super::server::{Server, server};
use super::support::{
    FIRST_PAGE, active, due, ended, eventually, first_rules, in_time, member, now,
};

/// What the documentation lists.
const RIGHTS: [&str; 26] = [
    "+del",
    "+evalsha",
    "+exists",
    "+get",
    "+getrange",
    "+hget",
    "+hset",
    "+info",
    "+mget",
    "+persist",
    "+pexpire",
    "+pttl",
    "+role",
    "+script|load",
    "+set",
    "+setrange",
    "+time",
    "+zadd",
    "+zcard",
    "+zrangebylex",
    "+zrangebyscore",
    "+zrem",
    "+zrevrange",
    "+zrevrank",
    "+zscore",
    "~curfew:*",
];

#[tokio::test]
async fn a_user_needs_no_more_rights_than_are_listed_and_is_refused_with_fewer() {
    let name = "a_user_needs_no_more_rights_than_are_listed_and_is_refused_with_fewer";
    let Some(server) = server(name, &[]).await else { return };
    let mut raw = server.raw().await;
    let url = format!("redis://few:secret@127.0.0.1:{}/", server.port());
    allow(&mut raw, RIGHTS.iter().copied()).await;
    let store = RedisStore::options(&url).without_clock_check().connect().await.unwrap();
    // Everything that a store does.
    let session = Arc::new(member("ada", &["acme"]));
    let _ = store.insert(session.clone(), None).await.unwrap();
    let used = Arc::new(active(&session, 1));
    let _ = store.replace(used.clone()).await.unwrap();
    assert!(store.load(used.id()).await.unwrap().is_some());
    assert_eq!(store.list(&Key::user("ada"), FIRST_PAGE).await.unwrap().records.len(), 1);
    assert!(store.replace_rules("acme", first_rules().await, now()).await.unwrap());
    assert_eq!(store.rules_since(Revision::NONE, 9).await.unwrap().changes.len(), 1);
    let _ = store.replace(Arc::new(ended(&used))).await.unwrap();
    let _ = store.insert(Arc::new(due("bob")), None).await.unwrap();
    assert_eq!(store.purge(now(), 9).await.unwrap(), 1);

    for missing in RIGHTS {
        allow(&mut raw, RIGHTS.iter().copied().filter(|right| *right != missing)).await;
        let error = RedisStore::connect(&url).await.map(|_| ()).expect_err(missing).to_string();
        assert!(error.contains("may not do enough"), "{missing}: {error}");
        let command = missing.trim_start_matches('+').to_uppercase();
        let is_named = error.to_uppercase().contains(&format!("IT LACKS `{command}"));
        let others = error.to_uppercase().contains(&format!("`{command}`"));
        assert!(is_named || others || missing.starts_with('~'), "{missing}: {error}");
        assert!(!error.contains("secret"));
    }
    // An advice that helps.
    allow(&mut raw, RIGHTS.iter().copied()).await;
    RedisStore::connect(&url).await.unwrap();
}

/// A user with these rights and no others.
async fn allow(raw: &mut MultiplexedConnection, rights: impl Iterator<Item = &'static str>) {
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER").arg("few").arg("reset").arg("on").arg(">secret");
    for right in rights {
        set.arg(right);
    }
    let () = set.query_async(raw).await.unwrap();
}

#[tokio::test]
async fn a_password_that_changes_is_asked_for_with_each_connection() {
    let name = "a_password_that_changes_is_asked_for_with_each_connection";
    let Some(server) = server(name, &["--requirepass", "first"]).await else { return };
    let password = Arc::new(Mutex::new("first".to_owned()));
    let known = password.clone();
    let store = RedisStore::options(server.url())
        .password_from(move || known.lock().unwrap().clone())
        .connect()
        .await
        .unwrap();
    let session = Arc::new(member("ada", &[]));
    let _ = store.insert(session.clone(), None).await.unwrap();

    let url = format!("redis://:first@127.0.0.1:{}/", server.port());
    let mut raw = super::support::raw(&url).await;
    let mut set = redis::cmd("CONFIG");
    let () = set.arg(&["SET", "requirepass", "second"]).query_async(&mut raw).await.unwrap();
    assert!(store.load(session.id()).await.unwrap().is_some(), "whoever is in stays in");
    "second".clone_into(&mut password.lock().unwrap());
    cut_all_but(&mut raw).await;
    assert!(store.load(session.id()).await.unwrap().is_some(), "the new one is used");
    "third".clone_into(&mut password.lock().unwrap());
    cut_all_but(&mut raw).await;
    let error = store.load(session.id()).await.unwrap_err();
    assert!(!format!("{error:?}").contains("third"), "{error:?}");
}

async fn cut_all_but(raw: &mut MultiplexedConnection) {
    let mut kill = redis::cmd("CLIENT");
    let _: i64 = kill.arg(&["KILL", "TYPE", "normal"]).query_async(raw).await.unwrap();
}

#[tokio::test]
async fn a_server_is_reached_by_its_socket() {
    let Some(server) = server("a_server_is_reached_by_its_socket", &["--unixsocket", "s"]).await
    else {
        return;
    };
    let url = format!("redis+unix://{}", server.folder().join("s").display());
    let store = RedisStore::connect(url).await.unwrap();
    let session = Arc::new(member("ada", &[]));
    let _ = store.insert(session.clone(), None).await.unwrap();
    assert!(store.load(session.id()).await.unwrap().is_some());
}

/// The server closes what is idle. The next request is asked again and answered.
#[tokio::test]
async fn r32_trap_47_idle_connections_that_were_cut_cost_no_answer() {
    let name = "r32_trap_47_idle_connections_that_were_cut_cost_no_answer";
    let Some(server) = server(name, &[]).await else { return };
    let (place, mut raw) = (server.place().await, server.raw().await);
    let curfew = place.handle();
    let mut last = place.insert(member("ada", &["acme"])).await;
    for turn in 0..100 {
        cut_all_but(&mut raw).await;
        match turn % 4 {
            0 => drop(in_time(place.store.load(last.id())).await.unwrap().unwrap()),
            1 => last = place.replace(active(&last, 1)).await,
            2 => assert_eq!(place.listed(&Key::user("ada")).await, [last.id()]),
            _ => {
                let policy = tower_curfew::OrgPolicy::absolute(Duration::days(turn));
                curfew.operator("tests").set_policy("acme", policy).await.unwrap();
            }
        }
    }
}

/// Connecting may take longer than a call: it goes on, and whoever comes later finds it done.
#[tokio::test]
async fn a_connection_that_takes_long_to_open_is_opened_for_whoever_comes_later() {
    let name = "a_connection_that_takes_long_to_open_is_opened_for_whoever_comes_later";
    let Some(server) = server(name, &[]).await else { return };
    let (place, mut raw) = (server.place().await, server.raw().await);
    let session = place.insert(member("ada", &[])).await;
    cut_all_but(&mut raw).await;
    server.freeze();
    let impatient =
        tokio::time::timeout(std::time::Duration::from_millis(600), place.load(session.id()));
    impatient.await.unwrap_err();
    server.thaw();
    eventually("the connection", async || place.store.load(session.id()).await.is_ok()).await;
    // The first one has left its attempt to those who came after.
    assert!(connections(&server).await <= 4);
}

async fn connections(server: &Server) -> u64 {
    super::server::info(&mut server.raw().await, "connected_clients").await
}
