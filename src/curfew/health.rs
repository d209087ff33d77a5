//! How a node is, for whoever decides whether it gets requests.

use time::Duration;

use super::budget::TimeBudget;
use super::error::Error;
use super::failures::FailedCall;
use super::handle::Curfew;
use super::verdict::check_clock;
use crate::clock::Stopwatch;
use crate::policy::raised_at;
use crate::session::Key;
use crate::store::{Listed, Page};

/// How a node is: whether it can say of a request if its session lives. Made by [`Curfew::health`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Health {
    /// Why requests with a session are answered with 503 just now; `None` if they are served.
    pub problem: Option<Error>,
    /// How long the store took for its answer, or until nobody waited any more.
    pub answered_in: Duration,
    /// By how much the store's clock is ahead of this node's, negative if it is behind; `None` if it
    /// did not answer or has no clock. Beyond a minute either way nobody is let in.
    pub store_clock_ahead: Option<Duration>,
    /// How long ago the latest change of a policy, or the latest revocation, was made that this node
    /// did not know of when it was asked; zero if it knew all. It learns of them with the next request
    /// at the latest, and has done so now.
    pub rules_behind: Duration,
    /// The last calls of the store that failed on this node, the latest at the end, at most eight.
    pub last_failures: Vec<FailedCall>,
    /// How the [cache](crate::store::Store::near) in front of the store is doing, if there is one.
    #[cfg(feature = "near")]
    pub near: Option<crate::store::NearHealth>,
}

impl Health {
    /// Whether this node can serve requests that come with a session.
    pub fn is_ready(&self) -> bool {
        self.problem.is_none()
    }
}

impl Curfew {
    /// Finds out how this node is, by what a request would do: it asks the store for its rules and for
    /// its clock. That takes no longer than a request may wait for the store.
    ///
    /// Ask before you send a node requests, and again every few seconds:
    #[cfg_attr(
        feature = "axum",
        doc = "[`readiness_route`](crate::readiness_route) answers with it."
    )]
    #[cfg_attr(not(feature = "axum"), doc = "answer such a question with 200 or 503.")]
    ///
    /// ```
    /// # use tower_curfew::store::MemoryStore;
    /// # use tower_curfew::{Curfew, Keyring};
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let curfew = Curfew::builder(MemoryStore::new(), Keyring::from_bytes([7; 32])?).build()?;
    /// let health = curfew.health().await;
    /// assert!(health.is_ready() && health.last_failures.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn health(&self) -> Health {
        let mut health = Health {
            problem: None,
            answered_in: Duration::ZERO,
            store_clock_ahead: None,
            rules_behind: Duration::ZERO,
            last_failures: Vec::new(),
            #[cfg(feature = "near")]
            near: self.inner.store.near_health(),
        };
        health.problem = self.examine(&mut health).await.err();
        health.last_failures = self.inner.failures.last();
        health
    }

    async fn examine(&self, health: &mut Health) -> Result<(), Error> {
        let mut budget = TimeBudget::default();
        let (now, before) = (self.now(), self.inner.rules.revision());
        let stopwatch = Stopwatch::start();
        // Nobody has an empty name, so it lists nothing, and says what every list says.
        let (nobody, page) = (Key::user(""), Page { after: None, at_most: 1 });
        let answer = self.ask_within(&mut budget, self.inner.store.list(&nobody, page)).await;
        health.answered_in = stopwatch.elapsed();
        let Listed { rules: stands, clock, .. } = answer?;
        health.store_clock_ahead = clock.map(|clock| clock.since(now) - now.since(clock));
        check_clock(clock, now)?;
        if before < stands {
            health.rules_behind = now.since(raised_at(stands));
        }
        // Where rules were lost it forgets those that it had, and a request gets the others.
        self.catch_up(&mut budget, before, stands).await?;
        self.inner.rules.read().rules().everyone()?;
        Ok(())
    }
}
