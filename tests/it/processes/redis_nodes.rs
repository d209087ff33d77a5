//! The servers behind an address of Redis, past the store itself: one, or the nodes of a cluster.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, ServerErrorKind};

/// The address of each of them. Of a cluster it has to name all.
pub(crate) fn nodes(url: &str) -> Vec<String> {
    match url.strip_prefix("redis-cluster://") {
        None => vec![url.to_owned()],
        Some(hosts) => {
            let hosts = hosts.trim_end_matches('/').split(',');
            hosts.map(|host| format!("redis://{host}/")).collect()
        }
    }
}

pub(crate) async fn connection(node: &str) -> MultiplexedConnection {
    redis::Client::open(node).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// Gives each of them a command.
pub(crate) async fn each(url: &str, command: &Cmd) {
    for node in nodes(url) {
        let () = command.query_async(&mut connection(&node).await).await.unwrap();
    }
}

/// Gives a command to the one that has its key.
pub(crate) async fn owner<T: FromRedisValue>(url: &str, command: &Cmd) -> T {
    for node in nodes(url) {
        match command.query_async(&mut connection(&node).await).await {
            Err(error) if error.kind() == redis::ErrorKind::Server(ServerErrorKind::Moved) => {}
            answer => return answer.unwrap(),
        }
    }
    panic!("no node at {url} has the key");
}
