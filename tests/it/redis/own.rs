//! Over servers of the tests' own, which they may fill, stop and kill.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration as StdDuration, Instant};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tower_curfew::store::{
    Client, Ended, OrgRules, Record, RedisStore, Selector, Store as _, StoreError, Touched,
};

use super::support::{Place, member, now, record, skipped, touch};

/// A server that ends with this.
struct Server {
    folder: TempDir,
    port: u16,
    options: Vec<&'static str>,
    child: Child,
}

/// `None` if there is no `redis-server` here.
async fn server(test: &str, options: &[&'static str]) -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = options.to_vec();
    let child = match spawn(&folder, port, &options) {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            skipped(test, "there is no redis-server here");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let server = Server { folder, port, options, child };
    server.ready().await;
    Some(server)
}

fn spawn(folder: &TempDir, port: u16, options: &[&str]) -> std::io::Result<Child> {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(options)
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
}

impl Server {
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    async fn place(&self) -> Place {
        Place::at(self.url()).await
    }

    async fn raw(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    async fn ready(&self) {
        for _ in 0..500 {
            let client = redis::Client::open(self.url()).unwrap();
            if let Ok(mut raw) = client.get_multiplexed_async_connection().await {
                match redis::cmd("PING").query_async::<String>(&mut raw).await {
                    Ok(_) => return,
                    Err(error) if error.code() == Some("NOAUTH") => return,
                    Err(_) => {}
                }
            }
            tokio::time::sleep(StdDuration::from_millis(10)).await;
        }
        panic!("the server does not start");
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn start(&mut self) {
        self.child = spawn(&self.folder, self.port, &self.options).unwrap();
        self.ready().await;
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn commands(raw: &mut MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(raw).await.unwrap();
    let calls = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        // What clients ask for, not what scripts do.
        let asked = name.starts_with("eval") || name.starts_with("script");
        rest.split(',').next().filter(|_| asked)?.parse::<u64>().ok()
    };
    info.lines().filter_map(calls).sum()
}

#[tokio::test]
async fn each_call_is_one_round_trip() {
    let Some(server) = server("each_call_is_one_round_trip", &[]).await else { return };
    let (place, mut raw) = (server.place().await, server.raw().await);
    let session = member("ada", &["acme", "globex"]);
    for _ in 0..2 {
        // The first time loads the scripts.
        let before = commands(&mut raw).await;
        let new = Record { id: record("").id, ..session.clone() };
        place.insert(&new).await;
        let seen = place.store.load(new.id).await.unwrap().unwrap();
        assert_eq!(seen.memberships().count(), 2);
        assert_eq!(place.store.touch(touch(&new, 1)).await.unwrap(), Touched::Moved);
        place.listed(&Selector::user("ada")).await;
        place.store.org_rules("acme").await.unwrap();
        let ended = Ended::revoked(now());
        assert_eq!(place.store.end(&Selector::user("ada"), &ended).await.unwrap(), 1);
        assert_eq!(place.store.purge(now(), 250).await.unwrap(), 0);
        let after = commands(&mut raw).await;
        if before > 0 {
            assert_eq!(after - before, 7, "one for each call");
        }
    }
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again() {
    let Some(server) = server("forgotten_scripts_are_loaded_again", &[]).await else { return };
    let (place, mut raw) = (server.place().await, server.raw().await);
    let session = member("ada", &["acme"]);
    place.insert(&session).await;
    for _ in 0..2 {
        let () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut raw).await.unwrap();
        assert!(place.store.load(session.id).await.unwrap().is_some());
        place.insert(&record("ada")).await;
    }
}

/// Sign-ins are refused; sessions go on, can be ended, and are purged.
#[tokio::test]
async fn a_full_server_refuses_sign_ins_and_nothing_else() {
    let name = "a_full_server_refuses_sign_ins_and_nothing_else";
    let options = ["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"];
    let Some(server) = server(name, &options).await else { return };
    let place = server.place().await;
    let (session, due) = (member("ada", &["acme"]), record("bob"));
    place.insert(&session).await;
    place.insert(&Record { purge_after: now(), ..due.clone() }).await;
    let error = loop {
        let agent = Some("x".repeat(512).into());
        let client = Client { agent, ..Client::default() };
        let next = Record { client, ..record("eve") };
        if let Err(error) = place.store.insert(next, &[], None).await {
            break error;
        }
    };
    assert!(error.to_string().contains("memory"), "{error}");
    assert!(place.store.load(session.id).await.unwrap().is_some());
    place.store.touch(touch(&session, 1)).await.unwrap_err();
    let rules = OrgRules::first(now());
    place.store.put_org_rules("globex", None, rules).await.unwrap_err();
    let ended = Ended::revoked(now());
    assert_eq!(place.store.end(&Selector::session(session.id), &ended).await.unwrap(), 1);
    assert_eq!(place.store.purge(now(), 9).await.unwrap(), 1);
    assert!(place.store.load(due.id).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_used_again() {
    let name = "a_server_that_was_killed_is_used_again";
    let options = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(mut server) = server(name, &options).await else { return };
    let place = server.place().await;
    let session = member("ada", &["acme"]);
    place.insert(&session).await;
    for _ in 0..2 {
        server.kill();
        for _ in 0..3 {
            soon(place.store.load(session.id)).await.unwrap_err();
        }
        server.start().await;
        recovered(&place, &session).await;
        let found = place.store.load(session.id).await.unwrap().unwrap();
        assert_eq!(found.record().ended, None);
    }
}

/// Each call fails in time, however many they are, and no queue is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_gives_errors() {
    let Some(server) = server("a_server_that_hangs_gives_errors", &[]).await else { return };
    let place = server.place().await;
    let session = record("ada");
    place.insert(&session).await;
    server.signal("-STOP");
    for _ in 0..3 {
        let calls: Vec<_> = (0..3000)
            .map(|_| {
                let (store, id) = (place.store.clone(), session.id);
                tokio::spawn(async move { soon(store.load(id)).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap_err();
        }
    }
    server.signal("-CONT");
    recovered(&place, &session).await;
}

/// After a failover the old primary is a replica, and whoever the address leads to by then is asked.
#[tokio::test]
async fn a_primary_that_became_a_replica_is_not_used() {
    let name = "a_primary_that_became_a_replica_is_not_used";
    let Some(server) = server(name, &[]).await else { return };
    let (place, mut raw) = (server.place().await, server.raw().await);
    let session = member("ada", &["acme"]);
    place.insert(&session).await;
    let clients = async |raw: &mut MultiplexedConnection| {
        let info: String = redis::cmd("INFO").arg("stats").query_async(raw).await.unwrap();
        let line = info.lines().find_map(|l| l.strip_prefix("total_connections_received:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let become_replica = ["127.0.0.1", "1"];
    let () = redis::cmd("REPLICAOF").arg(&become_replica).query_async(&mut raw).await.unwrap();
    let before = clients(&mut raw).await;
    for _ in 0..2 {
        let error = place.store.load(session.id).await.unwrap_err();
        assert!(error.to_string().contains("replica"), "not even a read: {error}");
        place.store.insert(record("ada"), &[], None).await.unwrap_err();
    }
    assert!(before + 2 <= clients(&mut raw).await, "it connects anew");
    let error = RedisStore::connect(server.url()).await.unwrap_err();
    assert!(error.to_string().contains("it is a replica"), "{error}");
    let () = redis::cmd("REPLICAOF").arg(&["NO", "ONE"]).query_async(&mut raw).await.unwrap();
    assert!(place.store.load(session.id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_will_not_do_is_refused() {
    let name = "a_server_that_will_not_do_is_refused";
    let refused = async |options: &[&'static str], address: fn(u16) -> String, part: &str| {
        let Some(server) = server(name, options).await else { return };
        let error = RedisStore::connect(address(server.port)).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    };
    let plain = |port| format!("redis://127.0.0.1:{port}/");
    let wrong = |port| format!("redis://:hunter2@127.0.0.1:{port}/");
    refused(&["--requirepass", "other"], plain, "the user or the password").await;
    refused(&["--requirepass", "other"], wrong, "the user or the password").await;
    refused(&["--cluster-enabled", "yes"], plain, "not supported yet").await;
    let evicts = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    refused(&evicts, plain, "maxmemory-policy to noeviction").await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_refused_in_time() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (address, part) in [
        (format!("redis://127.0.0.1:{port}/"), "cannot be reached"),
        ("http://127.0.0.1/".into(), "the address cannot be used"),
        ("".into(), "the address cannot be used"),
    ] {
        let asked = Instant::now();
        let error = RedisStore::connect(address).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(asked.elapsed() < StdDuration::from_secs(2));
    }
}

/// A connection that was accepted and then says nothing.
#[tokio::test]
async fn a_server_that_is_silent_is_refused_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("redis://{}/", listener.local_addr().unwrap());
    let asked = Instant::now();
    let error = RedisStore::connect(address).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    assert!(asked.elapsed() < StdDuration::from_secs(2));
}

/// The answer, which comes within a second and a little.
async fn soon<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let asked = Instant::now();
    let answer = call.await;
    assert!(asked.elapsed() < StdDuration::from_millis(1200), "{:?}", asked.elapsed());
    answer
}

/// Without a new store, and soon.
async fn recovered(place: &Place, session: &Record) {
    let asked = Instant::now();
    while place.store.load(session.id).await.is_err() {
        assert!(asked.elapsed() < StdDuration::from_secs(2), "it does not come back");
        tokio::time::sleep(StdDuration::from_millis(20)).await;
    }
    place.insert(&record("ada")).await;
}
