//! Servers that are full, and those that are no primary any more.

use std::sync::Arc;

use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use tower_curfew::clock::Timestamp;
use tower_curfew::store::{Cap, Key, Page, RedisStore, Replaced, Revision, Store as _};

use super::server::{info, server};
use super::support::{
    FIRST_PAGE, active, assert_same, due, ended, first_rules, member, now, record,
};

/// Sessions go on, can be ended, and are purged.
#[tokio::test]
async fn a_full_server_refuses_sign_ins_and_nothing_that_ends_sessions() {
    let name = "a_full_server_refuses_sign_ins_and_nothing_that_ends_sessions";
    let Some(server) = server(name, &[]).await else { return };
    let mut place = server.place().await;
    let stays = place.insert(member("ada", &["acme"])).await;
    let over = place.insert(member("ada", &["acme"])).await;
    let never_due = record("ada").with_purge_after(Timestamp::NEVER);
    let never_due = place.insert(never_due).await;
    let due = place.insert(due("ada")).await;
    make_full(&mut place.raw, true).await;

    let store = &place.store;
    for cap in [None, Some(Cap { at_most: 9, except: None })] {
        let refused = Arc::new(record("ada"));
        let error = store.insert(refused.clone(), cap).await.unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
        assert!(place.load(refused.id()).await.is_none());
    }
    let error = store.replace(Arc::new(active(&stays, 1))).await.unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
    assert_same(&place.load(stays.id()).await.unwrap(), &stays);
    let error = store.replace_rules("acme", first_rules().await, now()).await.unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
    assert!(store.rules_since(Revision::NONE, 9).await.unwrap().changes.is_empty());

    for session in [&over, &never_due] {
        assert_eq!(store.replace(Arc::new(ended(session))).await.unwrap(), Replaced::Done);
        assert!(place.load(session.id()).await.unwrap().has_ended());
    }
    assert_eq!(store.purge(now(), 9).await.unwrap(), 1);
    assert!(place.load(due.id()).await.is_none());
    assert_eq!(place.listed(&Key::user("ada")).await, [stays.id()]);
    // From a place where nobody is any more.
    let page = Page { after: Some((now(), over.id())), at_most: 9 };
    assert_eq!(store.list(&Key::user("ada"), page).await.unwrap().records.len(), 1);

    make_full(&mut place.raw, false).await;
    let next = place.replace(active(&stays, 1)).await;
    assert_same(&place.load(stays.id()).await.unwrap(), &next);
}

/// Or there would be no room again.
#[tokio::test]
async fn a_full_server_is_purged_though_some_are_due_later_than_they_are_listed() {
    let name = "a_full_server_is_purged_though_some_are_due_later_than_they_are_listed";
    let Some(server) = server(name, &[]).await else { return };
    let mut place = server.place().await;
    let later = place.insert(record("ada")).await;
    let id = *later.id().as_bytes();
    let list = place.key("due:", format!("{:x}", id[0] % 16));
    let () = place.raw.zadd(list, &id[..], 0).await.unwrap();
    let due = place.insert(due("bob")).await;
    make_full(&mut place.raw, true).await;
    assert_eq!(place.store.purge(now(), 9).await.unwrap(), 1);
    assert!(place.load(due.id()).await.is_none());
    assert!(place.load(later.id()).await.is_some());
}

#[tokio::test]
async fn a_node_that_is_started_while_the_server_is_full_lets_people_go_on() {
    let name = "a_node_that_is_started_while_the_server_is_full_lets_people_go_on";
    let Some(server) = server(name, &[]).await else { return };
    let mut place = server.place().await;
    let session = place.insert(record("ada")).await;
    make_full(&mut place.raw, true).await;
    let node = place.another_node().await;
    assert_same(&node.load(session.id()).await.unwrap().unwrap().record, &session);
    let () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut place.raw).await.unwrap();
    assert_eq!(node.replace(Arc::new(ended(&session))).await.unwrap(), Replaced::Done);
}

/// After a failover the old primary is a replica, and whoever the address leads to by then is asked.
#[tokio::test]
async fn a_primary_that_became_a_replica_is_not_used() {
    let name = "a_primary_that_became_a_replica_is_not_used";
    let Some(server) = server(name, &[]).await else { return };
    let (place, mut raw) = (server.place().await, server.raw().await);
    let session = place.insert(member("ada", &["acme"])).await;
    let key = Key::user("ada");
    // As often as they look at the server's clock, they look whether it is a primary.
    let [loads, lists] = [place.options(), place.options()];
    let [loads, lists] = [loads.connect().await.unwrap(), lists.connect().await.unwrap()];
    let become_replica = ["127.0.0.1", "1"];
    let () = redis::cmd("REPLICAOF").arg(&become_replica).query_async(&mut raw).await.unwrap();
    let before = info(&mut raw, "total_connections_received").await;
    for _ in 0..2 {
        let errors = [
            loads.load(session.id()).await.unwrap_err(),
            lists.list(&key, FIRST_PAGE).await.unwrap_err(),
            place.store.rules_since(Revision::NONE, 9).await.unwrap_err(),
            place.store.insert(Arc::new(record("ada")), None).await.unwrap_err(),
            place.store.replace(Arc::new(ended(&session))).await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("replica"), "not even a read: {error}");
        }
    }
    let connections = info(&mut raw, "total_connections_received").await - before;
    assert!(10 <= connections, "each call connects anew: {connections}");
    let error = RedisStore::connect(server.url()).await.unwrap_err();
    assert!(error.to_string().contains("it is a replica"), "{error}");
    let () = redis::cmd("REPLICAOF").arg(&["NO", "ONE"]).query_async(&mut raw).await.unwrap();
    assert_same(&place.load(session.id()).await.unwrap(), &session);
    assert_same(&loads.load(session.id()).await.unwrap().unwrap().record, &session);
}

/// From now on all that needs memory is refused, or nothing is.
async fn make_full(raw: &mut MultiplexedConnection, is_full: bool) {
    let set = ["SET", "maxmemory", if is_full { "1" } else { "0" }];
    let () = redis::cmd("CONFIG").arg(&set).query_async(raw).await.unwrap();
}
