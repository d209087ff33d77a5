//! Batching: loads at the same time share one call.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::yield_now;

/// A call that can load several keys at once.
pub(super) trait Batched: Clone + Send + Sync + 'static {
    type Key: Copy + Send + Sync + 'static;
    type Answer: Send + 'static;
    type Failure: Send;

    fn batcher(&self) -> &Batcher<Self::Key, Self::Answer>;

    /// The answers, in the order of the keys.
    fn ask(
        &self,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, Self::Failure>> + Send;
}

/// The callers that wait for a shared call.
pub(super) struct Batcher<K, A> {
    under_way: AtomicUsize,
    /// Not empty while a task is about to ask for these keys.
    gathered: Mutex<Vec<Waiting<K, A>>>,
}

struct Waiting<K, A> {
    key: K,
    answer: oneshot::Sender<A>,
}

/// Asks for one key, in a batch with others that are asked for at the same time. There may be no
/// answer.
///
/// While few calls are under way, a caller asks at once and alone. While there are many, a task
/// yields once to tasks that are ready, and then asks for all keys gathered in the meantime. So no
/// caller waits for a call that is already under way. A separate task asks, since the first caller
/// may be cancelled or not polled for a while, and the others must not wait for it.
pub(super) async fn ask<B: Batched>(
    asked: &B,
    key: B::Key,
) -> Result<Option<B::Answer>, B::Failure> {
    let batcher = asked.batcher();
    let place = Place::of(&batcher.under_way);
    if (FEW..MOST).contains(&place.others) {
        let (waiting, is_first) = batcher.join(key);
        if is_first {
            tokio::spawn(ask_for_all(Gathering(Some(asked.clone()))));
        }
        // Without an answer the batch was given up or failed, perhaps because of another key.
        if let Ok(answer) = waiting.await {
            return Ok(Some(answer));
        }
    }
    Ok(asked.ask(&[key]).await?.pop())
}

async fn ask_for_all<B: Batched>(gathering: Gathering<B>) {
    yield_now().await;
    let Some(asked) = gathering.end() else { return };
    let (keys, mut answers) = asked.batcher().take();
    let answered = tokio::select! {
        // A call is given up, or not begun, when no caller waits for it any more.
        biased;
        () = all_have_gone(&mut answers) => return,
        answered = asked.ask(&keys) => answered,
    };
    // Callers learn of a failure by the missing answer.
    for (waiting, answer) in answers.into_iter().zip(answered.into_iter().flatten()) {
        // The caller may be gone.
        let _ = waiting.send(answer);
    }
}

/// The batch until a task asks for it. If the task's runtime ends first, the callers must not wait
/// for it.
struct Gathering<B: Batched>(Option<B>);

impl<B: Batched> Gathering<B> {
    fn end(mut self) -> Option<B> {
        self.0.take()
    }
}

impl<B: Batched> Drop for Gathering<B> {
    fn drop(&mut self) {
        if let Some(asked) = &self.0 {
            asked.batcher().take();
        }
    }
}

async fn all_have_gone<A>(answers: &mut [oneshot::Sender<A>]) {
    for answer in answers {
        answer.closed().await;
    }
}

impl<K, A> Batcher<K, A> {
    pub(super) fn new() -> Self {
        Self { under_way: AtomicUsize::new(0), gathered: Mutex::default() }
    }

    /// Joins the waiting callers. The first must start a task that asks for them.
    fn join(&self, key: K) -> (oneshot::Receiver<A>, bool) {
        let (answer, waiting) = oneshot::channel();
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.push(Waiting { key, answer });
        (waiting, gathered.len() == 1)
    }

    /// The callers that still wait.
    fn take(&self) -> (Vec<K>, Vec<oneshot::Sender<A>>) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = gathered.drain(..).filter(|waiting| !waiting.answer.is_closed());
        waiting.map(|Waiting { key, answer }| (key, answer)).unzip()
    }
}

/// A slot among the calls that are under way.
struct Place<'a> {
    under_way: &'a AtomicUsize,
    others: usize,
}

impl<'a> Place<'a> {
    fn of(under_way: &'a AtomicUsize) -> Self {
        Self { under_way, others: under_way.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// With fewer calls, batching gains little.
const FEW: usize = 16;

/// Beyond this number, callers ask alone and get an error if the connections are full: no caller
/// waits without a bound for a server that hangs.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Poll;

    use tokio::sync::Notify;
    use tokio::task::JoinSet;

    use super::*;

    /// A server whose answer is ten times the number.
    #[derive(Clone)]
    struct Asked(Arc<Inner>);

    struct Inner {
        batcher: Batcher<u32, u32>,
        questions: Mutex<Vec<Vec<u32>>>,
        /// The number for which it fails, alone or in a batch.
        fails: u32,
        /// It gives no answers before this.
        begins: Notify,
        given_up: AtomicUsize,
    }

    impl Asked {
        fn new(fails: u32) -> Self {
            Self(Arc::new(Inner {
                batcher: Batcher::new(),
                questions: Mutex::default(),
                fails,
                begins: Notify::new(),
                given_up: AtomicUsize::new(0),
            }))
        }

        /// Answers from now on.
        fn begin(&self) {
            self.0.begins.notify_waiters();
        }

        fn questions(&self) -> Vec<Vec<u32>> {
            self.0.questions.lock().unwrap().clone()
        }

        /// Asks for this many at once, and answers when all have arrived.
        async fn all(&self, count: u32) -> Vec<Option<Option<u32>>> {
            let mut calls = JoinSet::new();
            for key in 0..count {
                let asked = self.clone();
                calls.spawn(async move { (key, ask(&asked, key).await.ok()) });
            }
            let mut answers = Vec::new();
            while answers.len() < count as usize {
                yield_now().await;
                self.begin();
                answers.extend(std::iter::from_fn(|| calls.try_join_next()).map(Result::unwrap));
            }
            answers.sort_unstable();
            assert_eq!(self.0.batcher.under_way.load(Ordering::Relaxed), 0);
            answers.into_iter().map(|(_, answer)| answer).collect()
        }
    }

    struct GivenUp<'a>(&'a AtomicUsize);

    impl Drop for GivenUp<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Batched for Asked {
        type Key = u32;
        type Answer = u32;
        type Failure = ();

        fn batcher(&self) -> &Batcher<u32, u32> {
            &self.0.batcher
        }

        async fn ask(&self, keys: &[u32]) -> Result<Vec<u32>, ()> {
            let given_up = GivenUp(&self.0.given_up);
            self.0.questions.lock().unwrap().push(keys.to_vec());
            self.0.begins.notified().await;
            std::mem::forget(given_up);
            if keys.contains(&self.0.fails) {
                return Err(());
            }
            Ok(keys.iter().map(|key| 10 * key).collect())
        }
    }

    const NOBODY: u32 = u32::MAX;

    fn right(answers: &[Option<Option<u32>>]) -> bool {
        let is_right = |(key, answer): (usize, &_)| *answer == Some(Some(10 * key as u32));
        answers.iter().enumerate().all(is_right)
    }

    #[tokio::test]
    async fn a_few_ask_alone_and_many_together() {
        let asked = Asked::new(NOBODY);
        assert!(right(&asked.all(FEW as u32).await));
        assert_eq!(asked.questions(), Vec::from_iter((0..FEW as u32).map(|key| vec![key])));

        let asked = Asked::new(NOBODY);
        assert!(right(&asked.all(1000).await));
        let questions = asked.questions();
        assert_eq!(questions.len(), FEW + 1, "{questions:?}");
        assert_eq!(questions[FEW].len(), 1000 - FEW);

        // No caller waits without a bound.
        let asked = Asked::new(NOBODY);
        assert!(right(&asked.all(3000).await));
        let together = asked.questions().iter().map(Vec::len).max();
        assert_eq!(together, Some(MOST - FEW));
    }

    /// A key that fails must not harm the others in its batch.
    #[tokio::test]
    async fn when_a_call_fails_each_asks_alone() {
        let asked = Asked::new(77);
        let mut answers = asked.all(100).await;
        assert_eq!(answers[77].replace(Some(770)), None);
        assert!(right(&answers));
        assert_eq!(asked.questions().iter().filter(|keys| keys.len() == 1).count(), 100);
    }

    /// Calls under way without an answer, so that the next callers are batched.
    fn busy(asked: &Asked) -> JoinSet<()> {
        let mut calls = JoinSet::new();
        for key in 1000..1000 + FEW as u32 {
            let asked = asked.clone();
            calls.spawn(async move {
                let _ = ask(&asked, key).await;
            });
        }
        calls
    }

    /// The first caller can be held up: its future is polled once, and never again.
    #[tokio::test]
    async fn nobody_waits_for_who_came_first() {
        let asked = Asked::new(NOBODY);
        let _under_way = busy(&asked);
        yield_now().await;
        let mut first = Box::pin(ask(&asked, 1));
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut second = Box::pin(ask(&asked, 2));
        while futures_util::poll!(&mut second) == Poll::Pending {
            yield_now().await;
            asked.begin();
        }
        assert_eq!(asked.questions()[FEW], [1, 2]);
        drop(first);
    }

    #[tokio::test]
    async fn nobody_asks_for_who_has_gone() {
        let asked = Asked::new(NOBODY);
        let _under_way = busy(&asked);
        yield_now().await;
        let (mut first, mut second) = (Box::pin(ask(&asked, 1)), Box::pin(ask(&asked, 2)));
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        for _ in 0..3 {
            yield_now().await;
        }
        assert_eq!(asked.questions()[FEW], [2]);
        // And a call without waiting callers is given up.
        drop(second);
        for _ in 0..3 {
            yield_now().await;
        }
        assert_eq!(asked.0.given_up.load(Ordering::Relaxed), 1);
        // Nor is one begun when all have gone before it.
        for key in 3..20 {
            let mut gone = Box::pin(ask(&asked, key));
            assert!(futures_util::poll!(&mut gone).is_pending());
            drop(gone);
            for _ in 0..3 {
                yield_now().await;
            }
        }
        assert_eq!(asked.questions().len(), FEW + 1);
    }

    /// A server that hangs delays the callers of one call, and no later ones.
    #[tokio::test]
    async fn nobody_waits_for_a_call_that_is_under_way() {
        let asked = Asked::new(NOBODY);
        let _under_way = busy(&asked);
        yield_now().await;
        let mut first = Box::pin(ask(&asked, 1));
        assert!(futures_util::poll!(&mut first).is_pending());
        for _ in 0..3 {
            yield_now().await;
        }
        let mut second = Box::pin(ask(&asked, 2));
        assert!(futures_util::poll!(&mut second).is_pending());
        for _ in 0..3 {
            yield_now().await;
        }
        assert_eq!(asked.questions()[FEW..], [vec![1], vec![2]]);
    }

    /// Of two runtimes over one store, one ends while its batch is gathered.
    #[tokio::test]
    async fn nobody_waits_for_a_runtime_that_has_ended() {
        let asked = Asked::new(NOBODY);
        let _under_way = busy(&asked);
        yield_now().await;
        let mut first = Box::pin(ask(&asked, 1));
        let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
        {
            let _inside = other.enter();
            assert!(futures_util::poll!(&mut first).is_pending());
        }
        other.shutdown_background();
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(futures_util::poll!(&mut first).is_pending());
        assert_eq!(asked.questions()[FEW], [1]);
        let mut second = Box::pin(ask(&asked, 2));
        while futures_util::poll!(&mut second) == Poll::Pending {
            yield_now().await;
            asked.begin();
        }
    }
}
