//! The same for many, some at the same time.

use std::future::Future;
use std::panic::resume_unwind;

use tokio::task::{JoinError, JoinSet};

use super::error::Error;

/// So many are worked on at the same time: enough to hide the way to a store, and too few to keep
/// others from it.
const AT_ONCE: usize = 16;

/// Works on each of them, and hands back what came of it, in their order.
pub(super) async fn in_parallel<T, R, F>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> F,
) -> Vec<Result<R, Error>>
where
    F: Future<Output = Result<R, Error>> + Send + 'static,
    R: Send + 'static,
{
    let mut under_way = JoinSet::new();
    let mut done = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        if under_way.len() == AT_ONCE
            && let Some(finished) = under_way.join_next().await
        {
            done.push(outcome(finished));
        }
        let working = work(item);
        under_way.spawn(async move { (at, working.await) });
    }
    while let Some(finished) = under_way.join_next().await {
        done.push(outcome(finished));
    }
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

type Finished<R> = (usize, Result<R, Error>);

fn outcome<R>(finished: Result<Finished<R>, JoinError>) -> Finished<R> {
    match finished.map_err(JoinError::try_into_panic) {
        Ok(finished) => finished,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime shuts down.
        Err(Err(cancelled)) => (usize::MAX, Err(Error::unavailable(cancelled))),
    }
}
