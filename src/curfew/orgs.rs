//! Which organisations a user's sessions belong to.

use std::sync::Arc;

use super::error::Contended;
use super::{Curfew, Error, TRIES};
use crate::judge::{Verdict, ends_by_after_leaving, purge_after};
use crate::session::{Selector, is_sound_name};
use crate::store::{Facts, SetOrgs, Swapped};
use crate::time::Timestamp;

impl Curfew {
    /// Makes all sessions of a user belong to these organisations, and to no others.
    ///
    /// A policy of an organisation that is joined binds from the next request on, measured from the
    /// sign-in. An organisation that is left can no longer end the session, but the absolute end
    /// that its policy has fixed stays. A session that is over already stays over.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](crate::ErrorKind::InvalidName) if an organisation has no bytes, more than
    /// 512, or a NUL; [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    /// Then some sessions may have changed and others not; call it again.
    pub async fn set_orgs(
        &self,
        user: impl ToString,
        orgs: impl IntoIterator<Item = impl ToString>,
    ) -> Result<(), Error> {
        let mut orgs =
            orgs.into_iter().map(|org| org.to_string().into()).collect::<Vec<Arc<str>>>();
        orgs.sort_unstable();
        orgs.dedup();
        if !orgs.iter().all(|org| is_sound_name(org)) {
            return Err(Error::invalid_name());
        }
        let which = Selector::user(user);
        let mut listing = self.listing(&which);
        while let Some(page) = listing.next().await? {
            for facts in page {
                self.set_orgs_of(facts, &orgs).await?;
            }
        }
        Ok(())
    }

    async fn set_orgs_of(&self, mut facts: Facts, orgs: &[Arc<str>]) -> Result<(), Error> {
        let id = facts.record().id;
        for _ in 0..TRIES {
            let now = self.now();
            let settled = match self.judge(&facts, now)? {
                Verdict::Live(_) => {
                    let change = self.change_of_orgs(&facts, orgs, now);
                    self.ask(self.inner.store.set_orgs(change)).await? != Swapped::Stale
                }
                // What is over must be written as such before it leaves what ended it.
                Verdict::Over(ended) => self.write_ended(&facts, &ended).await?,
                Verdict::Gone => true,
            };
            if settled {
                return Ok(());
            }
            match self.ask(self.inner.store.load(id)).await? {
                Some(fresh) if fresh.record().ended.is_none() => facts = fresh,
                _ => return Ok(()),
            }
        }
        Err(Error::unavailable(Contended))
    }

    fn change_of_orgs(&self, facts: &Facts, orgs: &[Arc<str>], joined: Timestamp) -> SetOrgs {
        let stays = |org: &Arc<str>| orgs.contains(org);
        SetOrgs {
            seen: facts.clone(),
            orgs: orgs.to_vec(),
            joined,
            ends_by: ends_by_after_leaving(facts, &self.inner.base, stays),
            purge_after: purge_after(facts, &self.inner.base, facts.record().seen),
        }
    }
}
