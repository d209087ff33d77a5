//! Detection of an undeclared pooler.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::connector::Peer;
use super::error::{UNSPOKEN_OF_POOLER, refused};
use super::hosts::Hosts;
use crate::store::open_error::OpenError;

/// Refuses an undeclared pooler. Two connections that are both open have separate processes on a
/// server, while an idle pooler lets the same process serve both, one after the other. Behind a
/// busy pooler a prepared statement will be missing sooner or later, and that error then names the
/// cause.
pub(super) async fn notice(hosts: &Arc<Hosts>) -> Result<(), OpenError> {
    if hosts.connector.peer == Peer::Pooler {
        return Ok(());
    }
    let wake = Arc::new(Notify::new());
    let (one, other) = (hosts.open(&wake).await?, hosts.open(&wake).await?);
    let (first, second) = (process(&one.client).await?, process(&other.client).await?);
    // They are closed before others are opened.
    one.close().await;
    other.close().await;
    if first == second { Err(refused(UNSPOKEN_OF_POOLER)) } else { Ok(()) }
}

async fn process(client: &Client) -> Result<i32, Error> {
    let none: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 0] = [];
    Ok(client.query_typed("SELECT pg_backend_pid()", &none).await?[0].get(0))
}
