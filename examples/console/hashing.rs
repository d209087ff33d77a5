//! Hashing passwords, a few at once. It takes 19 MiB and a core each time, on purpose: with as many
//! at once as there are requests, whoever sends many takes all the memory.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use argon2::password_hash::phc::Output;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version, password_hash};
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
    /// Those that ran leave theirs to the next. An allocator may keep what it is given back: with that
    /// of glibc, a few at once still took hundreds of MiB.
    memories: Arc<Mutex<Vec<Memory>>>,
}

type Memory = Vec<Block>;

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
            memories: Arc::default(),
        }
    }

    /// Whether a hash is that of this password.
    pub(crate) async fn matches(&self, password: String, hash: &'static str) -> Result<bool, Busy> {
        let work = move |memory: &mut _| verify(password.as_bytes(), hash, memory);
        self.run(work).await.map(|matches| matches.unwrap_or(false))
    }

    /// Does this when it is its turn, without holding up the other requests.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn = self.running.clone().acquire_owned().await.map_err(|_| Busy)?;
        let memories = self.memories.clone();
        let work = move || {
            // They go along, since the work goes on where a client has hung up.
            let _held = (place, turn);
            let kept = || memories.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = kept().pop().unwrap_or_default();
            let done = work(&mut memory);
            kept().push(memory);
            done
        };
        spawn_blocking(work).await.map_err(|_| Busy)
    }
}

/// As [`PasswordVerifier`](argon2::PasswordVerifier) does it, which takes memory of its own each time.
fn verify(password: &[u8], hash: &str, memory: &mut Memory) -> password_hash::Result<bool> {
    let hash = PasswordHash::new(hash)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Ok(false);
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let params = Params::try_from(&hash)?;
    memory.resize(params.block_count(), Block::default());
    let mut found = vec![0; expected.len()];
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password, salt, &mut found, memory)?;
    // It takes the same time wherever they differ.
    Ok(Output::new(&found)? == *expected)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use argon2::PasswordHasher;
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
            let work = move |_: &mut Memory| {
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
        assert!(matches!(hashing.run(|_| ()).await, Err(Busy)));

        // Whoever hangs up makes no place for others as long as the work goes on.
        let first = all.remove(0);
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(matches!(hashing.run(|_| ()).await, Err(Busy)));
        assert_eq!(running.load(Ordering::SeqCst), 2);

        for _ in 0..5 {
            go_on.send(()).unwrap();
        }
        for one in all {
            one.await.unwrap().unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert!(hashing.run(|_| ()).await.is_ok());
        assert!(hashing.memories.lock().unwrap().len() <= 2);
    }

    #[tokio::test]
    async fn a_hash_is_that_of_its_password_and_leaves_its_memory_to_the_next() {
        let hash = Argon2::default().hash_password_with_salt(b"lovelace", b"any salt").unwrap();
        let hash = &*Box::leak(hash.to_string().into_boxed_str());
        let hashing = Hashing::bounded(1, 0);
        for (password, expected) in [("lovelace", true), ("Lovelace", false), ("", false)] {
            assert_eq!(hashing.matches(password.to_owned(), hash).await.unwrap(), expected);
            let blocks = hashing.memories.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(blocks, [Params::DEFAULT.block_count()]);
        }
        for broken in ["", "lovelace", "$argon2id$v=19$m=19456,t=2,p=1$g03XIaRcr3r"] {
            assert!(!hashing.matches("lovelace".to_owned(), broken).await.unwrap(), "{broken}");
        }
    }

    #[test]
    fn so_many_as_there_are_cores_and_no_more_than_4() {
        let at_once = Hashing::default().running.available_permits();
        assert!((1..=4).contains(&at_once), "{at_once}");
    }
}
