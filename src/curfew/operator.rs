//! What a program does on its own, without anybody's session.

use std::fmt;
use std::sync::Arc;

use super::actor::Actor;
use super::end::Revoked;
use super::error::Error;
use super::handle::Curfew;
use crate::policy::OrgPolicy;
use crate::session::{NewSession, Selector};
use crate::token::IssuedToken;

/// What a program does on its own: a nightly job, a tool for support, the answer to an incident.
///
/// Each call is the twin of one on [`Curfew`] that takes the [`Session`](crate::Session) in whose name
/// it is done, and that is refused once this session has ended. These ask nobody. In a handler that
/// somebody's request has reached, use those of [`Curfew`].
///
/// ```
/// # use tower_curfew::{Curfew, Keyring, store::MemoryStore};
/// use tower_curfew::Selector;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # let curfew = Curfew::builder(MemoryStore::new(), Keyring::from_bytes([7; 32])?).build()?;
/// let support = curfew.operator("support: grace");
/// let ended = support.revoke(Selector::user("ada")).await?;
/// # assert_eq!(ended, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Operator {
    curfew: Curfew,
    name: Arc<str>,
}

impl Curfew {
    /// This handle for what the program does on its own. The name says who or what that is, and stands
    /// as the actor in every [`Event`](crate::event::Event) that it causes.
    pub fn operator(&self, name: impl Into<String>) -> Operator {
        Operator { curfew: self.clone(), name: name.into().into() }
    }
}

impl Operator {
    /// Issues a token, see [`Curfew::issue_token`]. It counts as authenticated now: the program vouches
    /// for whoever gets it.
    ///
    /// # Errors
    ///
    /// As [`Curfew::start`].
    pub async fn issue_token(&self, new: NewSession) -> Result<IssuedToken, Error> {
        self.curfew.issue(self.actor(), new).await
    }

    /// Ends somebody's sessions, see [`Curfew::revoke`], and says how many they were.
    ///
    /// # Errors
    ///
    /// As [`Curfew::revoke`], but nobody has to sign in.
    pub async fn revoke(&self, which: Selector) -> Result<u64, Error> {
        let (curfew, actor) = (self.curfew.clone(), self.actor());
        let revoked =
            self.curfew.to_the_end(async move { curfew.revoke_all(actor, which).await }).await;
        revoked.map(|Revoked { sessions, .. }| sessions)
    }

    /// Sets the policy of an organization, see [`Curfew::set_policy`].
    ///
    /// # Errors
    ///
    /// As [`Curfew::set_policy`], but nobody has to sign in.
    pub async fn set_policy(&self, org: impl Into<String>, policy: OrgPolicy) -> Result<(), Error> {
        self.curfew.replace_org_policy(self.actor(), org.into(), Some(policy)).await
    }

    /// Removes the policy of an organization, see [`Curfew::clear_policy`].
    ///
    /// # Errors
    ///
    /// As [`Curfew::set_policy`], but nobody has to sign in.
    pub async fn clear_policy(&self, org: impl Into<String>) -> Result<(), Error> {
        self.curfew.replace_org_policy(self.actor(), org.into(), None).await
    }

    /// Sets a policy for everyone, see [`Curfew::set_policy_for_everyone`].
    ///
    /// # Errors
    ///
    /// As [`Curfew::set_policy`], but nobody has to sign in.
    pub async fn set_policy_for_everyone(&self, policy: OrgPolicy) -> Result<(), Error> {
        self.curfew.replace_policy_for_everyone(self.actor(), Some(policy)).await
    }

    /// Removes the policy for everyone, see [`Curfew::clear_policy_for_everyone`].
    ///
    /// # Errors
    ///
    /// As [`Curfew::set_policy`], but nobody has to sign in.
    pub async fn clear_policy_for_everyone(&self) -> Result<(), Error> {
        self.curfew.replace_policy_for_everyone(self.actor(), None).await
    }

    /// Ends all sessions of an organization, see [`Curfew::revoke_org`].
    ///
    /// # Errors
    ///
    /// As [`Curfew::revoke_org`], but nobody has to sign in.
    pub async fn revoke_org(&self, org: impl Into<String>) -> Result<(), Error> {
        self.curfew.revoke_org_as(self.actor(), org.into()).await.map(drop)
    }

    /// Ends all sessions there are, see [`Curfew::revoke_everyone`].
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn revoke_everyone(&self) -> Result<(), Error> {
        self.curfew.revoke_everyone_as(self.actor()).await
    }

    fn actor(&self) -> Actor {
        Actor::Operator(self.name.clone())
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}
