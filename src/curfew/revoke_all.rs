//! Revoking all sessions of an organization, or of everyone, by one change of rules.

use std::sync::Arc;

use super::actor::Actor;
use super::budget::TimeBudget;
use super::error::Error;
use super::handle::Curfew;
use super::policies::{ReplacedRules, RulesChange, named};
use crate::event::EventKind;
use crate::policy::OrgRules;
use crate::session::Session;

impl Curfew {
    /// Ends all sessions of an organization, including the acting one, from their next request on.
    ///
    /// Sessions that begin later are not affected. It is one small write, regardless of the number
    /// of sessions.
    ///
    /// # Errors
    ///
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired) if the acting session has ended or was
    /// rotated; [`InvalidName`](crate::ErrorKind::InvalidName) if the organization's name is
    /// invalid; [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn revoke_org(&self, by: &Session, org: impl Into<String>) -> Result<(), Error> {
        self.revoke_org_as(Actor::by(by), org.into()).await.map(drop)
    }

    /// Ends the sessions of all users, including the acting one, from their next request on.
    ///
    /// Sessions that begin later are not affected. It is one small write, regardless of the number
    /// of sessions.
    ///
    /// # Errors
    ///
    /// The same errors as [`revoke_org`](Self::revoke_org).
    pub async fn revoke_everyone(&self, by: &Session) -> Result<(), Error> {
        self.revoke_everyone_as(Actor::by(by)).await
    }

    /// Revokes first; the caller counts afterwards. (Trap 43)
    pub(super) async fn revoke_org_as(
        &self,
        actor: Actor,
        org: String,
    ) -> Result<Option<ReplacedRules>, Error> {
        let org = named(org)?;
        let told = EventKind::OrgRevoked { org: org.clone() };
        self.revoke_under(actor, org, told).await
    }

    pub(super) async fn revoke_everyone_as(&self, actor: Actor) -> Result<(), Error> {
        let everyone = OrgRules::EVERYONE.into();
        self.revoke_under(actor, everyone, EventKind::EveryoneRevoked).await.map(drop)
    }

    async fn revoke_under(
        &self,
        actor: Actor,
        org: Arc<str>,
        told: EventKind,
    ) -> Result<Option<ReplacedRules>, Error> {
        let curfew = self.clone();
        self.to_the_end(async move {
            curfew.renew_rules(&mut TimeBudget::default()).await?;
            curfew.refuse_if_ended(&actor).await?;
            let revoke = |rules: &OrgRules| curfew.changed(rules, RulesChange::Revocation);
            let replaced = curfew.change_rules(&org, revoke).await?;
            curfew.tell(Some(actor.name()), told);
            Ok(replaced)
        })
        .await
    }
}
