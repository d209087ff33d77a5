//! Queries where statements cannot be prepared, and settings last only for a transaction.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use futures_util::future::join3;
use tokio_postgres::{Client, Error, Row};

use super::statements::Sql;
use super::values::Params;

/// Queries without preparing, in one round trip.
pub(super) async fn unnamed(
    client: &Client,
    sql: &Sql,
    params: Params<'_>,
) -> Result<Vec<Row>, Error> {
    let typed = params.iter().copied().zip(sql.types.iter().cloned());
    client.query_typed(&sql.text, &typed.collect::<Vec<_>>()).await
}

/// Queries in a transaction of its own that waits for a lock at most a second, where that cannot be
/// set for the whole connection. It takes one round trip: the three queries are sent together, so
/// no transaction stays open if the caller goes. Nothing is prepared, since preparing would also
/// wait for locks.
pub(super) async fn alone(
    client: &Client,
    sql: &Sql,
    params: Params<'_>,
    order: &Mutex<()>,
) -> Result<Vec<Row>, Error> {
    // They are polled in this order, and a query is sent when it is first polled.
    let mut answers = pin!(join3(
        client.batch_execute(BEGIN),
        unnamed(client, sql, params),
        client.batch_execute("COMMIT"),
    ));
    let mut is_sent = false;
    let (begun, rows, committed) = poll_fn(|context| {
        // No other query may come between.
        let _turn = (!is_sent).then(|| order.lock().unwrap_or_else(PoisonError::into_inner));
        is_sent = true;
        answers.as_mut().poll(context)
    })
    .await;
    let rows = rows?;
    begun?;
    committed?;
    Ok(rows)
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '1s'";
