//! Sessions in a Redis Cluster, beside a `GET` over the cluster connection of redis-rs.

use redis::AsyncCommands;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use tower_curfew::store::RedisStore;

use super::redis::{PREFIX, bare, key, their_store};
use super::{Bench, ours, theirs};
use crate::report::Report;
use crate::turns::Case;

pub fn measure(bench: &Bench<'_>, report: &mut Report, url: &str) {
    let cases = bench.runtime.block_on(cases(url));
    bench.compare(report, "Redis Cluster", cases);
    bench.runtime.block_on(clear(url));
}

async fn cases(url: &str) -> Vec<Case> {
    let store = RedisStore::options(url).prefix(PREFIX).connect().await.expect("a cluster");
    let connection = connection(url).await;
    let mut cases = ours(store, |signed_in| vec![bare(connection, &key(signed_in))]).await;
    // Their client is told one node in the address, and the others after it.
    let nodes = nodes(url).join("&node=").replacen("&node=", "?node=", 1);
    cases.push(theirs(their_store(&format!("redis-cluster://{nodes}")).await).await);
    cases
}

async fn connection(url: &str) -> ClusterConnection {
    let nodes = nodes(url).into_iter().map(|node| format!("redis://{node}/"));
    let client = ClusterClient::new(nodes).expect("addresses");
    client.get_async_connection().await.expect("a cluster")
}

/// The nodes that an address names.
fn nodes(url: &str) -> Vec<String> {
    let list = url.split("://").nth(1).expect("an address").trim_end_matches('/');
    list.split(',').map(str::to_owned).collect()
}

/// Deletes what was measured, key by key: they are on different nodes.
async fn clear(url: &str) {
    let mut connection = connection(url).await;
    let keys: Vec<Vec<u8>> = connection.keys(format!("{PREFIX}*")).await.expect("a cluster");
    for key in keys {
        let () = connection.del(key).await.expect("a cluster");
    }
}
