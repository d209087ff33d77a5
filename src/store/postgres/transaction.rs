//! Several statements as one change.

use tokio_postgres::Row;

use super::call::Call;
use super::error::Failure;
use super::statements::Sql;
use super::values::Params;

/// A connection with a transaction. If its caller goes, the keeper of the connection rolls it back.
pub(super) struct Transaction {
    call: Call,
}

impl Transaction {
    pub(super) async fn begin(call: Call) -> Result<Self, Failure> {
        let mut transaction = Self { call };
        transaction.call.begins();
        // After a long wait for a lock the caller is gone. The server notices a lost node only after
        // hours. With these timeouts, a call that waits for the locks of that node gets them before
        // it gives up.
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '10s'; \
                     SET LOCAL idle_in_transaction_session_timeout = '8s'";
        match transaction.call.run(begin).await {
            Ok(()) => Ok(transaction),
            Err(failure) => transaction.end(Err(failure)).await,
        }
    }

    pub(super) async fn query(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        self.call.query(sql, params).await
    }

    pub(super) async fn execute(&self, sql: &Sql, params: Params<'_>) -> Result<(), Failure> {
        self.call.query(sql, params).await.map(drop)
    }

    /// Commits a success, and rolls back a failure.
    pub(super) async fn end<T>(self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        match outcome {
            Ok(answer) => {
                self.call.run("COMMIT").await?;
                self.call.finish();
                Ok(answer)
            }
            Err(failure) => {
                // If that fails too, the connection is not used again.
                if self.call.run("ROLLBACK").await.is_ok() {
                    self.call.finish();
                }
                Err(failure)
            }
        }
    }
}
