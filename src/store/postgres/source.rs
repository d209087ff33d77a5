//! The source of connections: the store's own, or the app's pool.

use tokio_postgres::Row;

#[cfg(feature = "deadpool")]
use super::borrowed::Borrowed;
use super::call::Call;
use super::connection::Sharing;
use super::connections::{Connections, Repeats};
use super::error::Failure;
use super::statements::Sql;
use super::transaction::Transaction;
use super::values::Params;

/// The source of a call's connection. The parts for the app's pool are boxed: otherwise every call
/// over the store's own connections would reserve memory for them.
pub(super) enum Source {
    Own(Connections),
    #[cfg(feature = "deadpool")]
    Pool(Borrowed),
}

impl Source {
    /// A count of tries, from now on.
    pub(super) fn repeats(&self) -> Repeats {
        match self {
            Self::Own(connections) => connections.repeats(),
            #[cfg(feature = "deadpool")]
            Self::Pool(_) => Repeats::once(),
        }
    }

    /// Reads with one statement, and again if its connection breaks.
    pub(super) async fn read(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let mut repeats = self.repeats();
        let mut answer = self.once(sql, params).await;
        while let Err(Failure::Broken { connection, .. }) = answer
            && repeats.allow(connection)
        {
            answer = Box::pin(self.once(sql, params)).await;
        }
        answer
    }

    /// Runs one statement in a transaction of its own.
    pub(super) async fn once(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        match self {
            Self::Own(connections) => connections.once(sql, params).await,
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => Box::pin(pool.once(sql, params)).await,
        }
    }

    /// Begins a transaction, which is rolled back when dropped.
    pub(super) async fn begin(&self) -> Result<Transaction, Failure> {
        let call = match self {
            Self::Own(connections) => {
                debug_assert!(connections.sharing() == Sharing::Exclusive);
                Call::Own(connections.call().await?)
            }
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => Call::Pool(Box::pin(pool.borrow()).await?),
        };
        Transaction::begin(call).await
    }
}
