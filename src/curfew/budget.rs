//! Timeouts for calls to the store.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::error::{Error, TimedOut};
use super::handle::Curfew;
use crate::meter;
use crate::store::StoreCall;

/// The time that is left for a sequence of store calls.
#[derive(Default)]
pub(super) struct TimeBudget(Option<Pin<Box<Sleep>>>);

impl TimeBudget {
    /// Becomes ready when the budget is used up, `timeout` after its first use. A store in the same
    /// process usually answers at once and needs no timer.
    fn poll(&mut self, cx: &mut Context<'_>, timeout: std::time::Duration) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(cx)
    }
}

/// A loop over many sessions may take as long as this many store timeouts.
const MOST_TIMEOUTS_OF_A_LOOP: u32 = 10;

impl Curfew {
    /// Calls the store with the handle's timeout.
    pub(super) async fn ask<T>(&self, call: StoreCall<'_, T>) -> Result<T, Error> {
        self.ask_within(&mut TimeBudget::default(), call).await
    }

    /// Calls the store within the rest of the budget.
    pub(super) async fn ask_within<T>(
        &self,
        budget: &mut TimeBudget,
        StoreCall { name, answer }: StoreCall<'_, T>,
    ) -> Result<T, Error> {
        let span =
            tracing::debug_span!(target: meter::STORE, "store", call = name, outcome = Empty);
        let timer = meter::timer();
        let answer = self.within(budget, answer.instrument(span.clone())).await;
        let outcome = match &answer {
            Ok(Ok(_)) => "done",
            Ok(Err(_)) => "failed",
            Err(_) => "timed_out",
        };
        span.record("outcome", outcome);
        meter::store_call(name, outcome, timer);
        let answer = answer.and_then(|answer| Ok(answer?));
        if let Err(error) = &answer {
            self.inner.failures.keep(self.now(), name, error);
        }
        answer
    }

    /// Yields to other tasks between two steps of a long loop, and returns an error when the loop
    /// takes too long. A store that answers at once would otherwise never give the thread to
    /// another task or a timer. (Trap 40)
    pub(super) async fn next_turn(&self, budget: &mut TimeBudget) -> Result<(), Error> {
        yield_now().await;
        let most = self.inner.timeout * MOST_TIMEOUTS_OF_A_LOOP;
        let is_used_up = poll_fn(|cx| Poll::Ready(budget.poll(cx, most).is_ready())).await;
        if is_used_up { Err(Error::unavailable(TimedOut)) } else { Ok(()) }
    }

    /// Waits for a future within the rest of the budget.
    pub(super) async fn within<T>(
        &self,
        budget: &mut TimeBudget,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let mut work = pin!(work);
        let done = poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => budget.poll(cx, self.inner.timeout).map(|()| None),
        });
        done.await.ok_or_else(|| Error::unavailable(TimedOut))
    }
}
