//! Connections of the app's pool.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Waker};

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::{Error, Row};

use super::asked;
use super::connections::{BUSY, MAX_WAIT_FOR_ROOM};
use super::connector::Peer;
use super::error::{Failure, refused};
use super::schema::{self, Checks, Names};
use super::server;
use super::statements::Sql;
use super::values::Params;
use crate::store::error::StoreError;
use crate::store::open_error::OpenError;

/// A pool that belongs to the app. Its connections are returned as they were, without settings or
/// prepared statements, so it may lead through a pooler.
#[derive(Clone)]
pub(super) struct Borrowed(pub(super) Pool);

impl Borrowed {
    /// Makes sure that the server can keep the store.
    pub(super) async fn prepare(&self, names: &Names, checks: Checks) -> Result<(), OpenError> {
        let object = self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error.into(),
            error => refused("the pool gives no connection; see the source").caused_by(error),
        })?;
        checks.pass(&server::facts(&object, Peer::Pooler).await?)?;
        schema::prepare_with(&object, names).await
    }

    pub(super) async fn borrow(&self) -> Result<Loan, Failure> {
        let object = tokio::time::timeout(MAX_WAIT_FOR_ROOM, self.0.get()).await;
        match object {
            Ok(Ok(object)) => Ok(Loan { object, in_transaction: false }),
            Ok(Err(PoolError::Backend(error))) => Err(failed(error)),
            Ok(Err(PoolError::Timeout(_))) | Err(_) => Err(BUSY.into()),
            Ok(Err(PoolError::Closed)) => Err(StoreError::message(CLOSED).into()),
            Ok(Err(error)) => Err(StoreError::new(NO_CONNECTION, error).into()),
        }
    }

    pub(super) async fn once(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let loan = self.borrow().await?;
        // The connection is not shared.
        asked::alone(&loan.object, sql, params, &Mutex::new(())).await.map_err(failed)
    }
}

/// A connection that returns to the pool when dropped, without a transaction.
pub(super) struct Loan {
    object: Object,
    in_transaction: bool,
}

impl Loan {
    pub(super) async fn run(&self, statements: &str) -> Result<(), Failure> {
        self.object.batch_execute(statements).await.map_err(failed)
    }

    pub(super) fn begins(&mut self) {
        self.in_transaction = true;
    }

    pub(super) fn finish(mut self) {
        self.in_transaction = false;
    }

    pub(super) async fn query(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        asked::unnamed(&self.object, sql, params).await.map_err(failed)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.in_transaction {
            // Polling it once sends it, and later queries on the connection come after it.
            let rollback = pin!(self.object.batch_execute("ROLLBACK"));
            let _ = rollback.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// The pool does not hand out a broken connection again, so another one may give the answer.
fn failed(error: Error) -> Failure {
    if Failure::is_of_a_broken_connection(&error) {
        Failure::Broken { error: Some(error), connection: u64::MAX }
    } else {
        error.into()
    }
}

const CLOSED: &str =
    "the pool of the session store is closed; build the store with one that is open";

const NO_CONNECTION: &str = "the pool of the session store gives no connection";
