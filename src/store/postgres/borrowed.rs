//! Connections of a pool that belongs to the app.

use std::future::Future as _;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::{Client, Row};

use super::asked;
use super::connections::{BUSY, MAX_WAIT_FOR_ROOM};
use super::error::{Failure, READ_ONLY, refused};
use super::keeper::MAX_TIME_TO_OPEN;
use super::open::SILENT;
use super::schema::{self, Names};
use super::source::Source;
use super::statements::{Sql, Statements};
use super::values::Params;
use super::{PostgresStore, Shared, Tasks};
use crate::clock::ServerClock;
use crate::store::contract::StoreError;
use crate::store::open_error::OpenError;

/// Opens a store over the connections of this pool. `only_own` is an option that it leaves no room
/// for.
pub(super) async fn open(
    pool: Pool,
    names: Names,
    checks_clock: bool,
    only_own: Option<&str>,
) -> Result<PostgresStore, OpenError> {
    if let Some(option) = only_own {
        let advice = format!(
            "`{option}` is for connections of the store's own, and a pool was given; set that up \
             on the pool"
        );
        return Err(refused(advice));
    }
    let pool = Borrowed(pool);
    tokio::time::timeout(2 * MAX_TIME_TO_OPEN, pool.prepare(&names))
        .await
        .map_err(|_| refused(SILENT))??;
    let shared = Shared {
        readers: Source::Pool(pool.clone()),
        writers: Source::Pool(pool),
        sql: Statements::new(&names),
        names,
        server_clock: ServerClock::new(checks_clock),
        _tasks: Tasks(Vec::new()),
    };
    Ok(PostgresStore(Arc::new(shared)))
}

/// A pool of the app's. Its connections are left as they were found, without a setting or a prepared
/// statement; so it may lead through a pooler.
#[derive(Clone)]
pub(super) struct Borrowed(Pool);

impl Borrowed {
    /// Sees to it that the server can keep the store.
    pub(super) async fn prepare(&self, names: &Names) -> Result<(), OpenError> {
        let object = self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error.into(),
            error => refused("the pool gives no connection; see the source").caused_by(error),
        })?;
        let read_only = object.query_typed_one("SHOW transaction_read_only", &[]).await?;
        if read_only.get::<_, &str>(0) == "on" {
            return Err(refused(READ_ONLY));
        }
        schema::prepare_with(&object, names).await
    }

    pub(super) async fn borrow(&self) -> Result<Loan, Failure> {
        let object = tokio::time::timeout(MAX_WAIT_FOR_ROOM, self.0.get()).await;
        match object {
            Ok(Ok(object)) => Ok(Loan { object, in_transaction: false }),
            Ok(Err(PoolError::Backend(error))) => Err(error.into()),
            Ok(Err(PoolError::Timeout(_))) | Err(_) => Err(BUSY.into()),
            Ok(Err(PoolError::Closed)) => Err(StoreError::message(CLOSED).into()),
            Ok(Err(error)) => Err(StoreError::new(NO_CONNECTION, error).into()),
        }
    }

    pub(super) async fn once(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let loan = self.borrow().await?;
        // Nobody else has this connection.
        Ok(asked::alone(loan.client(), sql, params, &Mutex::new(())).await?)
    }
}

/// A connection that goes back to the pool when it is dropped, without a transaction.
pub(super) struct Loan {
    object: Object,
    in_transaction: bool,
}

impl Loan {
    pub(super) fn client(&self) -> &Client {
        &self.object
    }

    pub(super) fn begins(&mut self) {
        self.in_transaction = true;
    }

    pub(super) fn finish(mut self) {
        self.in_transaction = false;
    }

    pub(super) async fn query(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        Ok(asked::unnamed(self.client(), sql, params).await?)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.in_transaction {
            // To poll it once sends it, and whoever has the connection next comes after it.
            let rollback = pin!(self.object.batch_execute("ROLLBACK"));
            let _ = rollback.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

const CLOSED: &str =
    "the pool of the session store is closed; build the store with one that is open";

const NO_CONNECTION: &str = "the pool of the session store gives no connection";
