//! A connection for one call: the store's own, or one of the app's pool.

use std::sync::atomic::Ordering;

use tokio_postgres::Row;

#[cfg(feature = "deadpool")]
use super::borrowed::Loan;
use super::connection;
use super::error::Failure;
use super::statements::Sql;
use super::values::Params;

/// A connection for one call.
pub(super) enum Call {
    Own(connection::Call),
    #[cfg(feature = "deadpool")]
    Pool(Loan),
}

impl Call {
    /// Runs statements without parameters and results.
    pub(super) async fn run(&self, statements: &str) -> Result<(), Failure> {
        match self {
            Self::Own(call) => call.run(statements).await,
            #[cfg(feature = "deadpool")]
            Self::Pool(loan) => loan.run(statements).await,
        }
    }

    /// Marks the start of a transaction, until it is finished.
    pub(super) fn begins(&mut self) {
        match self {
            Self::Own(call) => call.live.in_transaction.store(true, Ordering::Release),
            #[cfg(feature = "deadpool")]
            Self::Pool(loan) => loan.begins(),
        }
    }

    pub(super) async fn query(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        match self {
            Self::Own(call) => call.query(sql, params).await,
            #[cfg(feature = "deadpool")]
            Self::Pool(loan) => Box::pin(loan.query(sql, params)).await,
        }
    }

    /// Marks that the server has answered all queries.
    pub(super) fn finish(self) {
        match self {
            Self::Own(call) => call.finish(),
            #[cfg(feature = "deadpool")]
            Self::Pool(loan) => loan.finish(),
        }
    }
}
