//! Signing in.

use std::sync::Arc;

use super::error::Contended;
use super::{Curfew, Error, Overflow, TRIES};
use crate::client::ClientInfo;
use crate::event::What;
use crate::judge::purge_after_start;
use crate::session::{
    Client, EndsBy, Kind, Membership, NewSession, Record, Selector, Session, SessionId,
    is_sound_name,
};
use crate::store::Insert;
use crate::time::Timestamp;
use crate::token::{IssuedToken, Secret, SetCookie, Token, random_id};

/// A session that has begun.
struct Begun {
    record: Record,
    secret: Secret,
    /// What it was to take the place of.
    replaced: Vec<SessionId>,
}

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
        let (curfew, client) = (self.clone(), client.clone());
        let work = async move { curfew.begin(new, client.client(), client.presented()).await };
        let Begun { record, secret, .. } = self.uninterrupted(work).await?;
        Ok(self.cookie(&record, secret, record.created))
    }

    /// Issues a bearer token for a client that is no browser: a command line, a mobile or a desktop
    /// app. It is a session as any other, with [limits of its own](crate::Builder::token_limits): it
    /// is listed, ends and is revoked like those of browsers, and organisations bind it.
    ///
    /// Give it a [name](NewSession::named) that its owner will know it by. What is known of the
    /// client is recorded at its first use.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn issue_token(&self, new: NewSession) -> Result<IssuedToken, Error> {
        let curfew = self.clone();
        self.uninterrupted(async move { Ok(curfew.issue(new).await?.0) }).await
    }

    /// As [`issue_token`](Self::issue_token), for a session that asks for it: neither may a session
    /// that ends meanwhile leave a token behind. Says also whether the token took its place.
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(crate) async fn issue_for(
        &self,
        new: NewSession,
        asker: &Session,
    ) -> Result<(IssuedToken, bool), Error> {
        let (curfew, asker) = (self.clone(), asker.clone());
        let work = async move {
            let (issued, replaced) = curfew.issue(new).await?;
            let took_its_place = replaced.contains(&asker.id());
            if !took_its_place && !curfew.is_still_alive(&asker).await? {
                curfew.revoke(Selector::session(issued.id())).await?;
                return Err(Error::sign_in_required());
            }
            Ok((issued, took_its_place))
        };
        self.uninterrupted(work).await
    }

    async fn issue(&self, new: NewSession) -> Result<(IssuedToken, Vec<SessionId>), Error> {
        let new = NewSession { kind: Kind::Token, ..new };
        let Begun { record, secret, replaced } = self.begin(new, &Client::default(), None).await?;
        let (id, issued_at) = (record.id, record.created);
        let signed = self.inner.token_signer.sign(&Token { id, secret, issued_at });
        Ok((IssuedToken::new(id, &signed), replaced))
    }

    /// Stores a session that takes the place of the presented one.
    async fn begin(
        &self,
        new: NewSession,
        client: &Client,
        presented: Option<SessionId>,
    ) -> Result<Begun, Error> {
        let names = new.orgs.iter().chain(&new.name).chain([&new.user]);
        if !names.map(|name| &**name).all(is_sound_name) {
            return Err(Error::invalid_name());
        }
        let secret = Secret::random();
        let now = self.now();
        let record = self.new_record(new, client, &secret, now);
        let replaced = self.insert(&record, presented).await?;
        self.tell_of_start(&record, replaced.clone());
        Ok(Begun { record, secret, replaced })
    }

    fn new_record(
        &self,
        new: NewSession,
        client: &Client,
        secret: &Secret,
        now: Timestamp,
    ) -> Record {
        let limits = self.inner.base.limits(new.kind).tighter(new.at_most);
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
            client: client.clone(),
            ended: None,
            purge_after: Timestamp::NEVER,
        };
        record.purge_after = purge_after_start(&record);
        record
    }

    /// Inserts a record, and says which sessions it replaced.
    async fn insert(
        &self,
        record: &Record,
        presented: Option<SessionId>,
    ) -> Result<Vec<SessionId>, Error> {
        let cap = self.inner.cap.map(|(cap, _)| cap);
        let mut replaces = Vec::from_iter(presented);
        for _ in 0..TRIES {
            match self.ask(self.inner.store.insert(record.clone(), &replaces, cap)).await? {
                Insert::Stored => return Ok(replaces),
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
        let Some((cap, overflow)) = self.inner.cap else {
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
            Overflow::Refuse if displaced => {
                let user: Arc<str> = user.into();
                self.tell_of_owner(&user, What::StartRefused { user: user.clone() });
                Err(Error::too_many_sessions())
            }
            Overflow::Refuse | Overflow::EndOldest => Ok(replaces),
        }
    }
}
