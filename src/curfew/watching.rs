//! A task on each node that learns of changes and finds the sessions that are over.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;

use super::budget::TimeBudget;
use super::error::Error;
use super::handle::{Curfew, Inner};
use super::parallel::in_parallel;
use super::waiting::Waiting;
use crate::clock::Stopwatch;
use crate::judge::Verdict;
use crate::session::{Ended, Revision, SessionId};
use crate::store::{Change, Changes};

/// How often a session is loaded if its store does not report changes.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How soon a broken watch is started again.
const WATCH_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// How soon the store is asked again after an error.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Starts the task when a caller first waits for an end. It runs as long as the handle lives.
pub(super) fn keep_running(curfew: &Curfew) {
    let inner = &curfew.inner;
    inner.watching.start(|| Some(run(Arc::downgrade(inner), inner.waiting.clone())));
}

async fn run(inner: Weak<Inner>, waiting: Arc<Waiting>) {
    let mut node = Node {
        inner,
        waiting,
        judged_by: Revision::NONE,
        looked_at_all: Stopwatch::start(),
        is_blind: false,
        has_failed: false,
    };
    loop {
        let Some(curfew) = node.curfew() else { return };
        let watched = curfew.ask(curfew.inner.store.watch()).await;
        drop(curfew);
        match watched {
            Ok(Some(changes)) => {
                node.is_blind = false;
                // Changes before this point may have been missed.
                node.doubt_all();
                node.follow(changes).await;
                sleep(WATCH_AGAIN_AFTER).await;
            }
            Ok(None) => node.look_now_and_then(None).await,
            Err(error) => {
                if !node.is_blind {
                    let error = error.with_causes();
                    tracing::warn!(error, "the session store does not tell of changes");
                }
                node.is_blind = true;
                node.look_now_and_then(Some(TRY_AGAIN_AFTER)).await;
            }
        }
    }
}

/// The state of the task.
struct Node {
    /// Weak, so that the task does not keep the handle alive.
    inner: Weak<Inner>,
    waiting: Arc<Waiting>,
    /// The revision of all rules at which all sessions were last judged.
    judged_by: Revision,
    looked_at_all: Stopwatch,
    /// Whether the last attempt to watch the store failed.
    is_blind: bool,
    has_failed: bool,
}

impl Node {
    fn curfew(&self) -> Option<Curfew> {
        Some(Curfew { inner: self.inner.upgrade()? })
    }

    fn doubt_all(&mut self) {
        self.looked_at_all = Stopwatch::start();
        self.waiting.doubt_all();
    }

    /// Looks at changes, until some may have been missed or the handle is gone.
    async fn follow(&mut self, mut changes: Changes) {
        let mut stands = self.judged_by;
        while self.look_by(stands).await.is_some() {
            tokio::select! {
                mut next = changes.next() => {
                    if next.is_none() {
                        return;
                    }
                    while let Some(change) = next {
                        match change {
                            Change::Session(id) => self.waiting.doubt(id),
                            Change::Any => self.waiting.doubt_all(),
                            Change::Heartbeat(heartbeat) => stands = heartbeat.rules,
                        }
                        next = changes.try_next();
                    }
                }
                () = self.waiting.came.notified() => {}
                () = self.next_is_due() => {}
            }
        }
    }

    /// Looks at sessions from time to time while the store does not report changes: for this long,
    /// or without end.
    async fn look_now_and_then(&mut self, time: Option<Duration>) {
        let began = Stopwatch::start();
        loop {
            if LOOK_EVERY <= self.looked_at_all.elapsed() {
                self.doubt_all();
            }
            let has_more_time = || time.is_none_or(|time| began.elapsed() < time);
            if self.look().await.is_none() || !has_more_time() {
                return;
            }
            let pause = LOOK_EVERY.min(time.unwrap_or(LOOK_EVERY));
            tokio::select! {
                () = sleep(pause) => {}
                () = self.waiting.came.notified() => {}
                () = self.next_is_due() => {}
            }
        }
    }

    async fn next_is_due(&self) {
        let Some(curfew) = self.curfew() else { return };
        let until = self.waiting.next_due().since(curfew.now());
        drop(curfew);
        let until = until.unsigned_abs().min(LOOK_EVERY);
        // Ends that are due and could not be looked at are tried again.
        sleep(if self.has_failed { until.max(TRY_AGAIN_AFTER) } else { until }).await;
    }

    /// Looks at all sessions if the rules have changed, and at those that may have changed. `None`
    /// if the handle is gone.
    async fn look_by(&mut self, stands: Revision) -> Option<()> {
        if self.judged_by != stands {
            let curfew = self.curfew()?;
            match curfew.judge_all(&self.waiting, stands).await {
                Ok(()) => self.judged_by = stands,
                Err(error) => self.failed(&error),
            }
        }
        self.look().await
    }

    async fn look(&mut self) -> Option<()> {
        let curfew = self.curfew()?;
        self.has_failed = false;
        let doubtful = self.waiting.take_doubtful(curfew.now());
        let looks = in_parallel(doubtful, |id| {
            let (curfew, waiting) = (curfew.clone(), self.waiting.clone());
            async move {
                let found = curfew.look_at(&waiting, id).await;
                if found.is_err() {
                    waiting.doubt(id);
                }
                found
            }
        });
        for error in looks.await.into_iter().filter_map(Result::err) {
            self.failed(&error);
        }
        Some(())
    }

    fn failed(&mut self, error: &Error) {
        self.has_failed = true;
        tracing::debug!(error = %error.with_causes(), "a session that somebody waits for is unknown");
    }
}

/// The number of sessions judged before other tasks get their turn.
const BETWEEN_TURNS: usize = 250;

impl Curfew {
    /// Judges all awaited sessions by rules at least this new. Marks those that may be over to be
    /// looked at.
    async fn judge_all(&self, waiting: &Waiting, stands: Revision) -> Result<(), Error> {
        if self.inner.rules.revision() < stands {
            self.renew_rules(&mut TimeBudget::default()).await?;
        }
        let now = self.now();
        for (number, (id, record)) in waiting.all().into_iter().enumerate() {
            if number % BETWEEN_TURNS == BETWEEN_TURNS - 1 {
                yield_now().await;
            }
            match self.judge_by_copy(&record, stands, now) {
                Ok(Some(Verdict::Live(live))) if !live.above_rules => {
                    waiting.keep(record, live.schedule.at());
                }
                _ => waiting.doubt(id),
            }
        }
        Ok(())
    }

    /// Finds out whether a session is over, and tells the tasks that wait for it.
    async fn look_at(&self, waiting: &Waiting, id: SessionId) -> Result<(), Error> {
        let mut budget = TimeBudget::default();
        let found = match self.load(&mut budget, id).await? {
            Some(judged) => self.settle(&mut budget, judged).await?,
            None => None,
        };
        match found.map(|judged| (judged.record, judged.verdict)) {
            Some((record, Verdict::Live(live))) => waiting.keep(record, live.schedule.at()),
            Some((_, Verdict::Over(ended))) => waiting.tell(id, &ended),
            Some((_, Verdict::Gone)) | None => waiting.tell(id, &Ended::revoked(self.now())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::pin::pin;

    use super::*;
    use crate::clock::Timestamp;
    use crate::session::Record;
    use crate::store::MemoryStore;
    use crate::token::{Keyring, Secret, nonce, random_id};

    #[tokio::test]
    async fn trap_40_others_have_their_turn_while_many_are_judged() {
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let curfew = Curfew::builder(MemoryStore::new(), keyring).build().unwrap();
        let waiting = Arc::<Waiting>::default();
        let waiters = (0..10 * BETWEEN_TURNS).map(|_| {
            let hash = Secret::random().hash();
            let record = Record::begin(random_id(), hash, "ada", curfew.now(), nonce());
            waiting.add(&Arc::new(record), Timestamp::NEVER)
        });
        let _waiters = waiters.collect::<Vec<_>>();

        let mut turns = 0;
        let mut judging = pin!(curfew.judge_all(&waiting, Revision::NONE));
        let judged = poll_fn(|cx| {
            turns += 1;
            judging.as_mut().poll(cx)
        });
        judged.await.unwrap();
        assert_eq!(turns, 11);
    }
}
