//! Ends and rules that are acknowledged when replicas have them.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use tower_curfew::ErrorKind;
use tower_curfew::store::{Key, RedisStore, Replaced, Store as _};

use super::server::{Server, server};
use super::support::{FIRST_PAGE, active, ended, eventually, handle, member, raw};
use crate::processes::redis_servers::{Node, arguments};

/// What it is not told to wait for goes on.
#[tokio::test]
async fn r05_an_end_that_no_replica_has_is_not_acknowledged() {
    let name = "r05_an_end_that_no_replica_has_is_not_acknowledged";
    let Some(pair) = Pair::start(name).await else { return };
    let store = pair.store(1).await;
    let session = Arc::new(member("ada", &["acme"]));
    let (key, id) = (Key::user("ada"), session.id());
    let _ = store.insert(session.clone(), None).await.unwrap();
    let used = Arc::new(active(&session, 1));
    assert_eq!(store.replace(used.clone()).await.unwrap(), Replaced::Done);

    pair.replica.freeze();
    let other = Arc::new(member("bob", &["acme"]));
    let _ = store.insert(other.clone(), None).await.unwrap();
    let end = Arc::new(ended(&used));
    let error = store.replace(end.clone()).await.unwrap_err();
    assert!(error.is_unacknowledged(), "{error:?}");
    // Whoever would tell that it is over says the same, on other nodes too; others are not concerned.
    for node in [&store, &pair.store(1).await] {
        for error in [
            node.load(id).await.map(|_| ()).unwrap_err(),
            node.list(&key, FIRST_PAGE).await.map(|_| ()).unwrap_err(),
            node.replace(end.clone()).await.map(|_| ()).unwrap_err(),
        ] {
            assert!(error.is_unacknowledged(), "{error:?}");
        }
        assert!(!node.load(other.id()).await.unwrap().unwrap().record.has_ended());
    }
    assert!(pair.store(0).await.load(id).await.unwrap().unwrap().record.has_ended());

    pair.replica.thaw();
    eventually("a replica that answers", async || {
        store.replace(end.clone()).await.is_ok_and(|replaced| replaced == Replaced::Done)
    })
    .await;
    assert!(store.load(id).await.unwrap().unwrap().record.has_ended());
    assert!(store.list(&key, FIRST_PAGE).await.unwrap().records.is_empty());
    // From now on nobody waits for it any more.
    pair.replica.freeze();
    assert!(store.load(id).await.unwrap().unwrap().record.has_ended());
    pair.replica.thaw();
}

/// The handle passes it on, and a change that is made again is acknowledged.
#[tokio::test]
async fn rules_that_no_replica_has_are_not_acknowledged() {
    let name = "rules_that_no_replica_has_are_not_acknowledged";
    let Some(pair) = Pair::start(name).await else { return };
    let curfew = handle(pair.store(1).await);
    let operator = curfew.operator("tests");
    let revoked = async || operator.revoke_org("acme").await.is_ok();
    eventually("a replica that answers", revoked).await;
    pair.replica.freeze();
    let error = operator.revoke_org("acme").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.to_string().contains("not yet on as many replicas"), "{cause}");
    pair.replica.thaw();
    eventually("a replica that answers", revoked).await;
}

#[tokio::test]
async fn a_server_with_too_few_replicas_is_refused() {
    let name = "a_server_with_too_few_replicas_is_refused";
    let Some(pair) = Pair::start(name).await else { return };
    let error = pair.options(2).connect().await.unwrap_err();
    assert!(error.to_string().contains("it has 1 replicas"), "{error}");
    let replica = RedisStore::connect(format!("redis://127.0.0.1:{}/", pair.replica.port));
    let error = replica.await.unwrap_err();
    assert!(error.to_string().contains("it is a replica"), "{error}");
}

struct Pair {
    primary: Server,
    replica: Node,
    _folder: tempfile::TempDir,
}

impl Pair {
    async fn start(test: &str) -> Option<Self> {
        let primary = server(test, &["--repl-diskless-sync-delay", "0"]).await?;
        let folder = tempfile::tempdir().unwrap();
        let of = format!("--replicaof 127.0.0.1 {}", primary.port());
        let replica = Node::start(folder.path(), |port| arguments(port, &[&of]));
        let mut raw = raw(&primary.url()).await;
        eventually("a replica", async || is_online(&mut raw).await).await;
        Some(Self { primary, replica, _folder: folder })
    }

    fn options(&self, replicas: u32) -> tower_curfew::store::RedisOptions {
        RedisStore::options(self.primary.url()).acknowledged_by(replicas)
    }

    async fn store(&self, replicas: u32) -> RedisStore {
        self.options(replicas).connect().await.unwrap()
    }
}

async fn is_online(raw: &mut MultiplexedConnection) -> bool {
    let info: String = redis::cmd("INFO").arg("replication").query_async(raw).await.unwrap();
    // It acknowledges what it gets.
    let offset = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"));
    info.contains(&format!("state=online,offset={},", offset.unwrap()))
}
