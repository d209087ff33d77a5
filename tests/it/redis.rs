//! What is peculiar to Redis, over the server at `CURFEW_TEST_REDIS`, and over servers that the
//! tests start themselves if there is a `redis-server`.

mod access;
mod clock;
mod cluster;
mod connections;
mod cost;
mod hanging;
mod indexes;
mod keys;
mod opening;
mod own;
mod races;
mod replicas;
mod rules;
mod server;
mod support;
#[cfg(feature = "redis-tls")]
mod tls;
mod wire;
