//! Connections: how many there are, and what happens when they break.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_curfew::store::{Ended, Page, PostgresStore, Selector, Store, Touched};

use super::support::{Schema, at, chain, id, record, stored, touch, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn there_are_as_many_connections_as_configured() {
    let test = "there_are_as_many_connections_as_configured";
    let Some(schema) = Schema::new(test).await else { return };
    for connections in [2, 4, 5] {
        let store = schema.options().connections(connections).connect().await.unwrap();
        assert_eq!(schema.connections().await, connections as i64);
        stored(&store, record(connections as u32, "ada", &["acme"])).await;
        let calls = (0..200).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.load(id(connections as u32)).await.unwrap() })
        });
        for call in calls.collect::<Vec<_>>() {
            assert!(call.await.unwrap().is_some());
        }
        assert_eq!(schema.connections().await, connections as i64);
        drop(store);
        gone(&schema).await;
    }
    schema.drop().await;
}

/// All connections are cut again and again while many calls are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_break_are_replaced() {
    let Some(schema) = Schema::new("connections_that_break_are_replaced").await else { return };
    let store = schema.store().await;
    stored(&store, record(1, "ada", &["acme"])).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (good, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..32)
        .map(|number| {
            let (store, stop, good, bad) = (store.clone(), stop.clone(), good.clone(), bad.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let call = async {
                        if number % 4 != 0 {
                            return store.load(id(1)).await.map(|found| assert!(found.is_some()));
                        }
                        let new = record(1000 + number, "bob", &["acme"]);
                        if store.load(new.id).await?.is_none() {
                            let _any = store.insert(new, &[], Some(100)).await?;
                        }
                        store.touch(touch(1, 1, 2)).await.map(|_| ())
                    };
                    let answer = tokio::time::timeout(Duration::from_secs(2), call).await;
                    match answer.expect("no call hangs") {
                        Ok(()) => good.fetch_add(1, Ordering::Relaxed),
                        Err(_) => {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                            bad.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            })
        })
        .collect();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cut(&schema).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(schema.connections().await <= 4);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    bad.store(0, Ordering::Relaxed);
    good.store(0, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        within(5, client).await.unwrap();
    }
    assert!(0 < good.load(Ordering::Relaxed));
    assert_eq!(bad.load(Ordering::Relaxed), 0, "all is well again");
    assert_eq!(schema.connections().await, 4);
    drop(store);
    schema.drop().await;
}

/// A caller that stops waiting leaves neither a transaction nor a lock behind, and its connection is
/// used again.
#[tokio::test]
async fn a_call_that_is_dropped_leaves_nothing_behind() {
    let test = "a_call_that_is_dropped_leaves_nothing_behind";
    let Some(schema) = Schema::new(test).await else { return };
    let store = schema.options().connections(2).connect().await.unwrap();
    stored(&store, record(1, "ada", &["acme"])).await;
    for polls in 1..40 {
        let replaced = [id(1)];
        let mut insert = Box::pin(store.insert(record(2, "ada", &["acme"]), &replaced, Some(9)));
        // It goes as far as it can in so many turns.
        for _ in 0..polls {
            let turn = tokio::time::timeout(Duration::from_micros(300), &mut insert).await;
            if turn.is_ok() {
                break;
            }
        }
        drop(insert);
        let touched = within(3, store.touch(touch(9999, 1, 2))).await.unwrap();
        assert_eq!(touched, Touched::Gone);
        let open = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}' \
             AND state LIKE 'idle in transaction%'",
            schema.name
        );
        assert_eq!(schema.number(&open).await, 0);
        let replaced = store.load(id(1)).await.unwrap().unwrap().record().ended.is_some();
        let inserted = store.load(id(2)).await.unwrap().is_some();
        assert_eq!(replaced, inserted, "all of it or nothing");
        if inserted {
            break;
        }
    }
    drop(store);
    schema.drop().await;
}

/// Writes that wait for a lock hold up no read, and their connections come back when they are given
/// up.
#[tokio::test]
async fn a_locked_row_holds_up_nobody_else() {
    let Some(schema) = Schema::new("a_locked_row_holds_up_nobody_else").await else { return };
    let store = schema.store().await;
    stored(&store, record(1, "ada", &[])).await;
    stored(&store, record(2, "bob", &[])).await;
    schema
        .run(&format!(
            "BEGIN; SELECT 1 FROM {} WHERE user_name = 'ada' FOR UPDATE",
            schema.table("sessions")
        ))
        .await;
    for _ in 0..2 {
        let touch = store.touch(touch(1, 1000, 2000));
        assert!(tokio::time::timeout(Duration::from_millis(100), touch).await.is_err());
    }
    assert!(within(1, store.load(id(1))).await.unwrap().is_some());
    let touched = within(5, store.touch(touch(2, 1000, 2000))).await.unwrap();
    assert_eq!(touched, Touched::Moved);
    schema.run("ROLLBACK").await;
    // One of those whose callers had gone may have moved it.
    let touched = within(5, store.touch(touch(1, 1000, 2000))).await.unwrap();
    assert_ne!(touched, Touched::Gone);
    drop(store);
    schema.drop().await;
}

/// Many who write all the time take turns, and nobody is passed over until it gives up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_take_turns() {
    let Some(schema) = Schema::new("writers_take_turns").await else { return };
    let store = schema.options().connections(2).connect().await.unwrap();
    let writers: Vec<_> = (0..64)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                stored(&store, record(number, "ada", &["acme"])).await;
                for seen in 1..30 {
                    let touched = store.touch(touch(number, 1000 * seen, 1000 * (seen + 1))).await;
                    assert_eq!(touched.unwrap(), Touched::Moved);
                }
            })
        })
        .collect();
    for writer in writers {
        within(30, writer).await.unwrap();
    }
    drop(store);
    schema.drop().await;
}

/// A server that is there but says nothing: neither does it take more and more, nor does it stay
/// forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_hangs_is_left_and_found_again() {
    let test = "a_server_that_hangs_is_left_and_found_again";
    let Some(schema) = Schema::new(test).await else { return };
    let road = Road::to(&schema).await;
    let url = format!("postgres://{}@127.0.0.1:{}/{}", road.user, road.port, road.database);
    let options = PostgresStore::options(url).schema(&schema.name).without_clock_check();
    let store = options.connections(2).connect().await.unwrap();
    stored(&store, record(1, "ada", &[])).await;
    road.blocked.send_replace(true);
    // More than it takes, and nobody who asks waits for long.
    let (mut busy, mut silent) = (0, 0);
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                tokio::time::timeout(Duration::from_secs(4), store.load(id(1))).await
            })
        })
        .collect();
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => {
                assert!(chain(&answer.unwrap_err()).contains("busy"));
                busy += 1;
            }
            Err(_) => silent += 1,
        }
    }
    assert_eq!((busy, silent), (872, 128), "so many are under way, and no more");
    // It is given up for lost, and then it is said at once.
    let given_up = async {
        while !store.load(id(1)).await.is_err_and(|e| chain(&e).contains("cannot be reached")) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(20, given_up).await;
    road.blocked.send_replace(false);
    let back = async {
        while store.load(id(1)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(10, back).await;
    let all = Selector::user("ada");
    let page = Page { after: None, at_most: 5 };
    assert_eq!(store.list(&all, page).await.unwrap().len(), 1);
    let end = async {
        while store.end(&all, &Ended::revoked(at(9))).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(90, end).await;
    drop(store);
    schema.drop().await;
}

/// Ends all connections of the stores.
async fn cut(schema: &Schema) {
    let name = &schema.name;
    schema
        .number(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = '{name}'"
        ))
        .await;
}

/// Waits until the stores have no connection any more.
async fn gone(schema: &Schema) {
    let closed = async {
        while schema.connections().await != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(5, closed).await;
}

/// A road to the server that can be blocked, so that nothing gets through and nothing is refused.
struct Road {
    port: u16,
    user: String,
    database: String,
    blocked: watch::Sender<bool>,
}

impl Road {
    async fn to(schema: &Schema) -> Self {
        let config: tokio_postgres::Config = schema.url.parse().unwrap();
        let [tokio_postgres::config::Host::Tcp(host), ..] = config.get_hosts() else {
            panic!("a server that is reached over TCP");
        };
        let server = (host.clone(), config.get_ports().first().copied().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (blocked, block) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(server.clone()).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(walk(near_in, far_out, block.clone()));
                tokio::spawn(walk(far_in, near_out, block.clone()));
            }
        });
        let user = config.get_user().unwrap().to_owned();
        let database = config.get_dbname().unwrap_or("postgres").to_owned();
        Self { port, user, database, blocked }
    }
}

async fn walk(
    from: tokio::net::tcp::OwnedReadHalf,
    to: tokio::net::tcp::OwnedWriteHalf,
    mut blocked: watch::Receiver<bool>,
) {
    let mut buffer = [0; 4096];
    loop {
        if from.readable().await.is_err() || blocked.wait_for(|blocked| !blocked).await.is_err() {
            return;
        }
        let count = match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            if to.writable().await.is_err() {
                return;
            }
            match to.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}
