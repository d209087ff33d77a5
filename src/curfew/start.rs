//! Signing in.

use std::sync::Arc;

use super::error::Contended;
use super::{Curfew, Error, Overflow, TRIES};
use crate::client::ClientInfo;
use crate::judge::purge_after_start;
use crate::session::{EndsBy, Membership, NewSession, Record, Selector, SessionId, is_sound_name};
use crate::store::Insert;
use crate::time::Timestamp;
use crate::token::{Secret, SetCookie, random_id};

impl Curfew {
    /// Starts a session for somebody who has just proved who they are.
    ///
    /// The session that `client` still presents ends in the same step, so that signing in again in
    /// the same browser leaves one session, and an attacker's session never becomes the victim's.
    ///
    /// # Errors
    ///
    /// [`TooManySessions`](crate::ErrorKind::TooManySessions) if there is a cap that refuses,
    /// [`InvalidName`](crate::ErrorKind::InvalidName) if the user, an organisation or the session's
    /// name has no bytes, more than 512, or a NUL,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn start(&self, new: NewSession, client: &ClientInfo) -> Result<SetCookie, Error> {
        let names = new.orgs.iter().chain(&new.name).chain([&new.user]);
        if !names.map(|name| &**name).all(is_sound_name) {
            return Err(Error::invalid_name());
        }
        let secret = Secret::random();
        let now = self.now();
        let record = self.new_record(new, client, &secret, now);
        self.insert(&record, client.presented()).await?;
        tracing::debug!(session = %record.id, "session started");
        Ok(self.cookie(&record, secret, now))
    }

    fn new_record(
        &self,
        new: NewSession,
        client: &ClientInfo,
        secret: &Secret,
        now: Timestamp,
    ) -> Record {
        let limits = self.0.base.limits.tighter(new.at_most);
        // The store stamps them when it inserts the record.
        let join = |org: Arc<str>| Membership { org, generation: 0, version: 0, joined: now };
        let mut record = Record {
            id: random_id(),
            secret_hash: secret.hash(),
            user: new.user,
            kind: new.kind,
            name: new.name,
            memberships: new.orgs.into_iter().map(join).collect(),
            created: now,
            authenticated: now,
            seen: now,
            ends_by: limits.absolute_limit().map(|after| EndsBy { at: now + after, org: None }),
            idle: limits.idle_limit(),
            client: client.client().clone(),
            ended: None,
            purge_after: Timestamp::NEVER,
        };
        record.purge_after = purge_after_start(&record);
        record
    }

    async fn insert(&self, record: &Record, presented: Option<SessionId>) -> Result<(), Error> {
        let cap = self.0.cap.map(|(cap, _)| cap);
        let mut replaces = Vec::from_iter(presented);
        for _ in 0..TRIES {
            match self.ask(self.0.store.insert(record.clone(), &replaces, cap)).await? {
                Insert::Stored => return Ok(()),
                Insert::Full => replaces = self.make_room(&record.user, presented).await?,
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Ends the sessions of a user that are over, and names those that a new one is to replace.
    async fn make_room(
        &self,
        user: &str,
        presented: Option<SessionId>,
    ) -> Result<Vec<SessionId>, Error> {
        let mut replaces = Vec::from_iter(presented);
        let Some((cap, overflow)) = self.0.cap else {
            return Ok(replaces);
        };
        // Newest first, so what comes after the cap is full is the oldest.
        let mut room = cap - 1;
        let over = self
            .each_living(&Selector::user(user), |session| {
                if replaces.contains(&session.id()) {
                    return true;
                }
                if room == 0 {
                    replaces.push(session.id());
                }
                room = room.saturating_sub(1);
                true
            })
            .await?;
        // The store counts them until they are written as ended.
        for (facts, ended) in over {
            self.write_ended(&facts, &ended).await?;
        }
        let displaced = replaces.len() > usize::from(presented.is_some());
        match overflow {
            Overflow::Refuse if displaced => Err(Error::too_many_sessions()),
            Overflow::Refuse | Overflow::EndOldest => Ok(replaces),
        }
    }
}
