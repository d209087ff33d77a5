//! Operations that a program does on its own, without a session.

use std::fmt;
use std::sync::Arc;

use super::actor::Actor;
use super::end::Revoked;
use super::error::Error;
use super::handle::Curfew;
use crate::policy::OrgPolicy;
use crate::session::{NewSession, Selector};
use crate::token::IssuedToken;

/// Operations that a program does on its own, without a session.
///
/// Examples are a nightly job, a support tool, or an incident response.
///
/// Each call has a counterpart on [`Curfew`] that takes the acting [`Session`](crate::Session), and
/// is refused once that session has ended. The calls here have no such check. In a handler of a
/// user's request, use those of [`Curfew`].
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
    /// Returns this handle for operations that the program does on its own. The name says which
    /// program acts, and is the actor in every [`Event`](crate::event::Event) that it causes.
    pub fn operator(&self, name: impl Into<String>) -> Operator {
        Operator { curfew: self.clone(), name: name.into().into() }
    }
}

impl Operator {
    /// Issues a token, see [`Curfew::issue_token`]. It counts as authenticated now: the program
    /// vouches for the token's user.
    ///
    /// # Errors
    ///
    /// The same errors as [`Curfew::start`].
    pub async fn issue_token(&self, new: NewSession) -> Result<IssuedToken, Error> {
        self.curfew.issue(self.actor(), new).await
    }

    /// Ends the sessions that a selector names, see [`Curfew::revoke`], and returns their number.
    ///
    /// # Errors
    ///
    /// The same errors as [`Curfew::revoke`], except
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired).
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
    /// The same errors as [`Curfew::set_policy`], except
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired).
    pub async fn set_policy(&self, org: impl Into<String>, policy: OrgPolicy) -> Result<(), Error> {
        self.curfew.replace_org_policy(self.actor(), org.into(), Some(policy)).await
    }

    /// Removes the policy of an organization, see [`Curfew::clear_policy`].
    ///
    /// # Errors
    ///
    /// The same errors as [`Curfew::set_policy`], except
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired).
    pub async fn clear_policy(&self, org: impl Into<String>) -> Result<(), Error> {
        self.curfew.replace_org_policy(self.actor(), org.into(), None).await
    }

    /// Sets a policy for everyone, see [`Curfew::set_policy_for_everyone`].
    ///
    /// # Errors
    ///
    /// The same errors as [`Curfew::set_policy`], except
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired).
    pub async fn set_policy_for_everyone(&self, policy: OrgPolicy) -> Result<(), Error> {
        self.curfew.replace_policy_for_everyone(self.actor(), Some(policy)).await
    }

    /// Removes the policy for everyone, see [`Curfew::clear_policy_for_everyone`].
    ///
    /// # Errors
    ///
    /// The same errors as [`Curfew::set_policy`], except
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired).
    pub async fn clear_policy_for_everyone(&self) -> Result<(), Error> {
        self.curfew.replace_policy_for_everyone(self.actor(), None).await
    }

    /// Ends all sessions of an organization, see [`Curfew::revoke_org`].
    ///
    /// # Errors
    ///
    /// The same errors as [`Curfew::revoke_org`], except
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired).
    pub async fn revoke_org(&self, org: impl Into<String>) -> Result<(), Error> {
        self.curfew.revoke_org_as(self.actor(), org.into()).await.map(drop)
    }

    /// Ends the sessions of all users, see [`Curfew::revoke_everyone`].
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
