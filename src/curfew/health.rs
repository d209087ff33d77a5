//! The health of a node, for load balancers and dashboards.

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

/// The health of a node: whether it can check sessions. Made by [`Curfew::health`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Health {
    /// Why requests with a session currently get 503; `None` if they are served.
    pub problem: Option<Error>,
    /// How long the store took to answer, or the timeout.
    pub answered_in: Duration,
    /// How far the store's clock is ahead of this node's, negative if it is behind.
    ///
    /// `None` if the store did not answer or has no clock. Beyond a minute in either direction,
    /// every session is rejected.
    pub store_clock_ahead: Option<Duration>,
    /// The age of the latest policy change or revocation that this node did not know of when asked.
    ///
    /// It is zero if the node knew all changes. The node learns of them with the next request at
    /// the latest, and has now fetched them.
    pub rules_behind: Duration,
    /// The last store calls that failed on this node, newest last, at most eight.
    pub last_failures: Vec<FailedCall>,
    /// The health of the [cache](crate::store::Store::near) in front of the store; `None` without
    /// one.
    #[cfg(feature = "near")]
    pub near: Option<crate::store::NearHealth>,
}

impl Health {
    /// Whether this node can serve requests with a session.
    pub fn is_ready(&self) -> bool {
        self.problem.is_none()
    }
}

impl Curfew {
    /// Finds out how healthy this node is: asks the store for its rules and its clock.
    ///
    /// A request depends on the same answers. The check takes no longer than a request may wait for
    /// the store.
    ///
    /// Check it before you send requests to a node, and again every few seconds:
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
        // No user has an empty name, so the list is empty and carries only the state of the store.
        let (nobody, page) = (Key::user(""), Page { after: None, at_most: 1 });
        let answer = self.ask_within(&mut budget, self.inner.store.list(&nobody, page)).await;
        health.answered_in = stopwatch.elapsed();
        let Listed { rules: stands, clock, .. } = answer?;
        health.store_clock_ahead = clock.map(|clock| clock.since(now) - now.since(clock));
        check_clock(clock, now)?;
        if before < stands {
            health.rules_behind = now.since(raised_at(stands));
        }
        // If rules were lost, the node forgets its copy, and the next request fetches the current
        // rules.
        self.catch_up(&mut budget, before, stands).await?;
        self.inner.rules.read().rules().everyone()?;
        Ok(())
    }
}
