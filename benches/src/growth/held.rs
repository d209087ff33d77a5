//! For how long work holds the thread of an executor.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use cpu_time::ThreadTime;

/// Does the work, and says for how long it, or a task that it has started, held this thread at the
/// longest before others could go on: by processor time, as the thread may have to wait for its core.
///
/// It is always ready to go on itself. So what passes between two of its polls is a single poll of a
/// task, if the runtime looks after each whether its main future can go on (`event_interval(1)`).
pub async fn longest(work: impl Future) -> Duration {
    let mut work = pin!(work);
    let (mut longest, mut last) = (Duration::ZERO, ThreadTime::now());
    std::future::poll_fn(move |context| {
        // By a task.
        longest = longest.max(last.elapsed());
        let (polled, held) = poll(work.as_mut(), context);
        longest = longest.max(held);
        context.waker().wake_by_ref();
        last = ThreadTime::now();
        polled.map(|_| longest)
    })
    .await
}

fn poll<F: Future>(work: Pin<&mut F>, context: &mut Context<'_>) -> (Poll<F::Output>, Duration) {
    let began = ThreadTime::now();
    let polled = work.poll(context);
    (polled, began.elapsed())
}
