//! Opening a store over a pool of the app.

use std::sync::Arc;

use deadpool_postgres::Pool;

use super::borrowed::Borrowed;
use super::connector::MAX_TIME_TO_OPEN;
use super::error::refused;
use super::open_failure::OpenFailure;
use super::schema::{Checks, Names};
use super::source::Source;
use super::statements::Statements;
use super::{PostgresStore, Shared, Tasks};
use crate::clock::ServerClock;
use crate::store::batch::Batcher;
use crate::store::open_error::OpenError;

/// Opens a store over the connections of this pool. `only_own` is an option that cannot be used
/// with a pool.
pub(super) async fn open(
    pool: Pool,
    names: Names,
    checks: Checks,
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
    tokio::time::timeout(2 * MAX_TIME_TO_OPEN, pool.prepare(&names, checks))
        .await
        .map_err(|_| OpenFailure::Silent)??;
    let shared = Shared {
        readers: Source::Pool(pool.clone()),
        loads: Batcher::new(),
        writers: Source::Pool(pool),
        sql: Statements::new(&names),
        names,
        server_clock: ServerClock::new(checks.clock),
        acknowledged_by: checks.acknowledged_by,
        hosts: None,
        _tasks: Tasks(Vec::new()),
    };
    Ok(PostgresStore(Arc::new(shared)))
}
