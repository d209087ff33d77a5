//! Hashing passwords, a few at once. It takes 19 MiB and a core each time, on purpose: with as many
//! at once as there are requests, whoever sends many takes all the memory.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

const MAX_AT_ONCE: usize = 4;

/// More would wait for longer than people do.
const MAX_WAITING: usize = 64;

/// Clones share their bounds.
#[derive(Clone)]
pub(crate) struct Hashing {
    running: Arc<Semaphore>,
    /// Of those that run and those that wait.
    places: Arc<Semaphore>,
}

/// So many wait already that nobody else can.
#[derive(Debug)]
pub(crate) struct Busy;

impl Default for Hashing {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self::bounded(cores.min(MAX_AT_ONCE), MAX_WAITING)
    }
}

impl Hashing {
    pub(crate) fn bounded(at_once: usize, waiting: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(at_once + waiting)),
        }
    }

    /// Does this when it is its turn, without holding up the other requests.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn = self.running.clone().acquire_owned().await.map_err(|_| Busy)?;
        let work = move || {
            // They go along, since the work goes on where a client has hung up.
            let _held = (place, turn);
            work()
        };
        spawn_blocking(work).await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, mpsc};

    use tokio::sync::mpsc::unbounded_channel;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn no_more_than_the_bound_run_at_once_and_no_more_than_another_wait() {
        let hashing = Hashing::bounded(2, 3);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (start, mut starts) = unbounded_channel();
        let (go_on, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let begin = || {
            let (hashing, start, gate) = (hashing.clone(), start.clone(), gate.clone());
            let (running, most) = (running.clone(), most.clone());
            let work = move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                start.send(()).unwrap();
                gate.lock().unwrap().recv().unwrap();
                running.fetch_sub(1, Ordering::SeqCst);
            };
            tokio::spawn(async move { hashing.run(work).await })
        };
        let mut all = Vec::from_iter((0..5).map(|_| begin()));
        starts.recv().await.unwrap();
        starts.recv().await.unwrap();
        while hashing.places.available_permits() != 0 {
            yield_now().await;
        }
        assert!(matches!(hashing.run(|| ()).await, Err(Busy)));

        // Whoever hangs up makes no place for others as long as the work goes on.
        let first = all.remove(0);
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(matches!(hashing.run(|| ()).await, Err(Busy)));
        assert_eq!(running.load(Ordering::SeqCst), 2);

        for _ in 0..5 {
            go_on.send(()).unwrap();
        }
        for one in all {
            one.await.unwrap().unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert!(hashing.run(|| ()).await.is_ok());
    }

    #[test]
    fn so_many_as_there_are_cores_and_no_more_than_4() {
        let at_once = Hashing::default().running.available_permits();
        assert!((1..=4).contains(&at_once), "{at_once}");
    }
}
