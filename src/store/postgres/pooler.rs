//! Noticing a pooler that nobody has spoken of.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::asked::Peer;
use super::connector::Connector;
use super::error::{UNSPOKEN_OF_POOLER, refused};
use crate::store::open_error::OpenError;

/// Refuses a pooler in place of a server. Two connections that are both open have a process each on
/// a server; a pooler that is not busy lets the same process serve both, one after the other. From one
/// that is busy a statement of the store will vanish sooner or later, and then that error says it.
pub(super) async fn notice(connector: &Connector) -> Result<(), OpenError> {
    if connector.peer == Peer::Pooler {
        return Ok(());
    }
    let (one, one_pump) = connector.open().await?;
    let one_pump = tokio::spawn(one_pump);
    let (other, other_pump) = connector.open().await?;
    let other_pump = tokio::spawn(other_pump);
    let (first, second) = (process(&one).await?, process(&other).await?);
    drop((one, other));
    // They are closed before others are opened.
    let _ = (one_pump.await, other_pump.await);
    if first == second { Err(refused(UNSPOKEN_OF_POOLER)) } else { Ok(()) }
}

async fn process(client: &Client) -> Result<i32, Error> {
    let none: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 0] = [];
    Ok(client.query_typed("SELECT pg_backend_pid()", &none).await?[0].get(0))
}
