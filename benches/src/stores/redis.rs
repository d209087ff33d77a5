//! Sessions in Redis, beside a `GET` over one connection; and a cache in front of it.

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use tower_curfew::store::{MemoryStore, Near, RedisStore, Store as _};
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};

use super::{BARE, Bench, SignedIn, our_request, ours, theirs};
use crate::report::Report;
use crate::turns::{Case, case};

pub fn measure(bench: &Bench<'_>, report: &mut Report, url: &str) {
    let cases = bench.runtime.block_on(cases(url));
    bench.compare(report, "Redis", cases);
    bench.runtime.block_on(clear(url, PREFIX));
}

async fn cases(url: &str) -> Vec<Case> {
    let store = RedisStore::options(url).prefix(PREFIX).connect().await.expect("a server");
    let connection = connection(url).await;
    let mut cases = ours(store, |signed_in| vec![bare(connection, &key(signed_in))]).await;
    cases.push(theirs(their_store(url).await).await);
    cases
}

/// With as many connections as its documentation shows.
pub async fn their_store(url: &str) -> tower_sessions_redis_store::RedisStore<Pool> {
    let config = Config::from_url(url).expect("a URL");
    let pool = Pool::new(config, None, None, None, 6).expect("a pool");
    pool.connect();
    pool.wait_for_connect().await.expect("a server");
    tower_sessions_redis_store::RedisStore::new(pool)
}

/// A `GET` over a connection of whatever kind.
pub fn bare<C: AsyncCommands + Clone + Sync + 'static>(connection: C, key: &[u8]) -> Case {
    let key = key.to_vec();
    case(BARE, move |_| {
        let (mut connection, key) = (connection.clone(), key.clone());
        async move {
            let value: Vec<u8> = connection.get(key).await.expect("a server");
            assert!(!value.is_empty());
        }
    })
}

pub const PREFIX: &str = "curfew_bench:";

/// Where the store keeps a session.
pub fn key(SignedIn { id }: SignedIn) -> Vec<u8> {
    [PREFIX.as_bytes(), b"session:", id.as_bytes()].concat()
}

async fn connection(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("a server")
}

/// Deletes what was measured: some at a time, or the client would lose its patience with many.
pub async fn clear(url: &str, prefix: &str) {
    let mut connection = connection(url).await;
    let mut place = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(place).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(1000);
        let (next, keys): (u64, Vec<Vec<u8>>) =
            scan.query_async(&mut connection).await.expect("a server");
        if !keys.is_empty() {
            let () = connection.unlink(keys).await.expect("a server");
        }
        if next == 0 {
            return;
        }
        place = next;
    }
}

/// What a cache in front of a server costs, beside memory alone: neither asks anybody.
pub fn measure_near(bench: &Bench<'_>, report: &mut Report, url: &str) {
    let cases = bench.runtime.block_on(async {
        let options = RedisStore::options(url).prefix(NEAR_PREFIX);
        let store = options.connect().await.expect("a server").near(Near::default());
        let (over_memory, _) = our_request("tower-curfew over memory", MemoryStore::new()).await;
        let (near, _) = our_request("tower-curfew near Redis", store).await;
        vec![over_memory, near]
    });
    bench.compare(report, "Near Redis", cases);
    bench.runtime.block_on(clear(url, NEAR_PREFIX));
}

const NEAR_PREFIX: &str = "curfew_bench_near:";
