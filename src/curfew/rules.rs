//! Keeping this node's copy of all rules up to date.

use std::sync::atomic::Ordering;

use tokio::task::yield_now;

use super::budget::TimeBudget;
use super::copy::LastTurn;
use super::error::{Contended, Error, RulesNotRenewed};
use super::handle::Curfew;
use super::purge;
use crate::policy::{Filed, Rules};
use crate::session::Revision;

impl Curfew {
    /// Reads the rules, including every change made before this call.
    pub(super) async fn read_renewed<T>(
        &self,
        read: impl Fn(Rules<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        for _ in 0..MAX_STARTS_OVER {
            let stands = self.renew_rules(&mut TimeBudget::default()).await?;
            let copy = self.inner.rules.read();
            // Unless the copy was forgotten in the meantime.
            if stands <= copy.revision() {
                return read(copy.rules());
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Asks the store for changes, once for all waiting callers. Afterwards the copy has every
    /// change made before this call, and is at the returned revision.
    pub(super) async fn renew_rules(&self, budget: &mut TimeBudget) -> Result<Revision, Error> {
        // Each handle does this first, because its copy is empty.
        purge::keep_running(self);
        let rules = &self.inner.rules;
        let begun = rules.begun.load(Ordering::SeqCst);
        let mut last = self.within(budget, rules.turn.lock()).await?;
        // A renewal that began after this call serves it too.
        if begun < last.number {
            return last.reached.ok_or_else(|| Error::unavailable(RulesNotRenewed));
        }
        let number = rules.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let renewed = self.fetch_changes(budget).await;
        *last = LastTurn { number, reached: renewed.as_ref().ok().copied() };
        renewed
    }

    async fn fetch_changes(&self, budget: &mut TimeBudget) -> Result<Revision, Error> {
        let rules = &self.inner.rules;
        let mut starts_over = 0;
        while starts_over < MAX_STARTS_OVER {
            let asked = rules.revision();
            let answer = self.inner.store.rules_since(asked, PAGE);
            let answer = self.ask_within(budget, answer).await?;
            let (is_last, reaches) = (answer.changes.len() < PAGE as usize, answer.reaches);
            let filed = rules.file(asked, answer);
            match filed {
                Filed::Done if is_last => return Ok(reaches),
                Filed::Done => yield_now().await,
                Filed::Refused => {
                    rules.forget(asked);
                    starts_over += 1;
                }
            }
        }
        Err(Error::unavailable(Contended))
    }
}

/// The number of rules fetched at once.
const PAGE: u32 = 1000;

/// A store that answers from another incarnation each time cannot be used.
const MAX_STARTS_OVER: u32 = 8;
