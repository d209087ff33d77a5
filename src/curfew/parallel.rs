//! Bounded parallel work on many items.

use std::future::Future;
use std::panic::resume_unwind;

use tokio::task::{JoinError, JoinSet};

use super::error::Error;

/// The number of items worked on at the same time: enough to hide the latency of a store, and few
/// enough to leave it free for others.
const AT_ONCE: usize = 16;

/// Works on each item, even if others fail, and returns the results in order.
pub(super) async fn in_parallel<T, R, F>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> F,
) -> Vec<Result<R, Error>>
where
    F: Future<Output = Result<R, Error>> + Send + 'static,
    R: Send + 'static,
{
    work_on(items, work, |_| true).await
}

/// Works on each item, and returns the results in order. After the first error it starts no further
/// items, but finishes those that have begun.
pub(super) async fn try_in_parallel<T, R, F>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> F,
) -> Result<Vec<R>, Error>
where
    F: Future<Output = Result<R, Error>> + Send + 'static,
    R: Send + 'static,
{
    work_on(items, work, Result::is_ok).await.into_iter().collect()
}

async fn work_on<T, R, F>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> F,
    goes_on: impl Fn(&Result<R, Error>) -> bool,
) -> Vec<Result<R, Error>>
where
    F: Future<Output = Result<R, Error>> + Send + 'static,
    R: Send + 'static,
{
    let (mut under_way, mut done) = (JoinSet::new(), Vec::new());
    let mut items = items.into_iter().enumerate();
    let mut goes_on_beyond = true;
    loop {
        while goes_on_beyond && under_way.len() < AT_ONCE {
            let Some((at, item)) = items.next() else {
                break;
            };
            let working = work(item);
            under_way.spawn(async move { (at, working.await) });
        }
        let Some(finished) = under_way.join_next().await else {
            break;
        };
        let finished = outcome(finished);
        goes_on_beyond &= goes_on(&finished.1);
        done.push(finished);
    }
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

type Finished<R> = (usize, Result<R, Error>);

fn outcome<R>(finished: Result<Finished<R>, JoinError>) -> Finished<R> {
    match finished.map_err(JoinError::try_into_panic) {
        Ok(finished) => finished,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime is shutting down.
        Err(Err(cancelled)) => (usize::MAX, Err(Error::unavailable(cancelled))),
    }
}
