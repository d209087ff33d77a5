//! Signing in.

use std::sync::Arc;

use super::budget::TimeBudget;
use super::detached::to_the_end;
use super::error::{Contended, Error};
use super::handle::{AtCap, Curfew};
use super::purge;
use crate::client::ClientInfo;
use crate::cookie::SetCookie;
use crate::event::EventKind;
use crate::judge::purge_after;
use crate::policy::{OrgRules, Rules};
use crate::session::{
    ClientDetails, Ended, Membership, NewSession, Record, Selector, Session, SessionId, SessionKind,
};
use crate::store::{Cap, Inserted};
use crate::token::{IssuedToken, Secret, Token, nonce, random_id};

/// A session that has begun.
struct Begun {
    record: Arc<Record>,
    secret: Secret,
    /// What it has taken the place of.
    replaced: Vec<SessionId>,
}

/// How often a sign-in makes room where others take it.
const MAX_TRIES: u32 = 200;

impl Curfew {
    /// Starts a session for somebody who has just proved who they are.
    ///
    /// The session that `client` still presents ends before this returns, so that signing in again in
    /// the same browser leaves one session, and an attacker's session never becomes the victim's. If
    /// that or anything else fails, the browser keeps what it had.
    ///
    /// # Errors
    ///
    /// [`TooManySessions`](crate::ErrorKind::TooManySessions) if there is a cap that refuses,
    /// [`InvalidName`](crate::ErrorKind::InvalidName) if the user, an organization or the session's
    /// name has no bytes, more than 512, or a NUL, or if nothing of the session's name can be seen,
    /// [`InvalidLink`](crate::ErrorKind::InvalidLink) if there are too many links, or one cannot be kept,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn start(&self, new: NewSession, client: &ClientInfo) -> Result<SetCookie, Error> {
        let (curfew, client) = (self.clone(), client.clone());
        let work = async move { curfew.begin(new, client.client(), client.presented()).await };
        let Begun { record, secret, .. } = to_the_end(work).await?;
        Ok(self.cookie(&record, secret, record.created()))
    }

    /// Issues a bearer token for a client that is no browser: a command line, a mobile or a desktop
    /// app. It is a session as any other, with [limits of its own](crate::Builder::token_limits): it
    /// is listed, ends and is revoked like those of browsers, and organizations bind it.
    ///
    /// Give it a [name](NewSession::named) that its owner will know it by. What is known of the
    /// client is recorded at its first use.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn issue_token(&self, new: NewSession) -> Result<IssuedToken, Error> {
        let curfew = self.clone();
        to_the_end(async move { Ok(curfew.issue(new).await?.0) }).await
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
        to_the_end(async move {
            let (issued, replaced) = curfew.issue(new).await?;
            let took_its_place = replaced.contains(&asker.id());
            if !took_its_place && !curfew.is_still_alive(&asker).await? {
                curfew.revoke(Selector::session(issued.id())).await?;
                return Err(Error::sign_in_required());
            }
            Ok((issued, took_its_place))
        })
        .await
    }

    async fn issue(&self, new: NewSession) -> Result<(IssuedToken, Vec<SessionId>), Error> {
        let new = NewSession { kind: SessionKind::Token, ..new };
        let Begun { record, secret, replaced } =
            self.begin(new, &ClientDetails::default(), None).await?;
        let (id, issued_at) = (record.id(), record.created());
        let signed = self.inner.token_signer.sign(&Token { id, secret, issued_at });
        Ok((IssuedToken::new(id, &signed), replaced))
    }

    /// Stores a session that takes the place of the presented one, or ends before anybody has it.
    async fn begin(
        &self,
        new: NewSession,
        client: &ClientDetails,
        presented: Option<Session>,
    ) -> Result<Begun, Error> {
        if !new.has_valid_names() {
            return Err(Error::invalid_name());
        }
        if !new.has_valid_links() {
            return Err(Error::invalid_link());
        }
        purge::keep_running(self);
        let secret = Secret::random();
        let record = Arc::new(self.new_record(&new, client, &secret).await?);
        let mut replaced = Vec::new();
        let inserted = self.insert(&record, presented.as_ref(), &mut replaced).await;
        let begun = match inserted {
            Ok(()) => self.replace_presented(&record, presented, &mut replaced).await,
            Err(error) => Err(error),
        };
        match begun {
            Ok(()) => self.tell_of_start(&record, replaced.clone()),
            // Those that made room for it have ended all the same.
            Err(_) => replaced.iter().for_each(|id| self.tell_of_displaced(&record, *id)),
        }
        begun.map(|()| Begun { record, secret, replaced })
    }

    /// What is to be stored, stamped with rules that are no older than this call.
    async fn new_record(
        &self,
        new: &NewSession,
        client: &ClientDetails,
        secret: &Secret,
    ) -> Result<Record, Error> {
        for _ in 0..MAX_TRIES {
            let stands = self.renew_rules(&mut TimeBudget::default()).await?;
            self.tell_longest_silence().await?;
            let copy = self.inner.rules.read();
            // Unless somebody has forgotten them since.
            if stands <= copy.revision() {
                return self.stamped(new, client, secret, Rules::new(&copy));
            }
        }
        Err(Error::unavailable(Contended))
    }

    fn stamped(
        &self,
        new: &NewSession,
        client: &ClientDetails,
        secret: &Secret,
        rules: Rules<'_>,
    ) -> Result<Record, Error> {
        let now = self.now();
        let limits = self.inner.app.of(new.kind).tighter(new.at_most);
        let join = |org: &Arc<str>| {
            let stamp = rules.of(org)?.stamp();
            Ok::<_, Error>(Membership { org: org.clone(), stamp, joined: now })
        };
        let memberships = new.orgs.iter().map(join).collect::<Result<Vec<_>, _>>()?;
        let record = Record::begin(random_id(), secret.hash(), new.user.clone(), now, nonce())
            .with_kind(new.kind)
            .with_name(new.name.clone())
            .with_links(new.links.clone())
            .with_limits(limits)
            .with_everyone(rules.everyone()?.stamp())
            .with_memberships(memberships)
            .with_client(client);
        let due = purge_after(&record, rules, &self.inner.app, now)?;
        Ok(record.with_purge_after(due))
    }

    /// Inserts a record. Whatever has to end so that there is room for it ends before, and is noted.
    async fn insert(
        &self,
        record: &Arc<Record>,
        presented: Option<&Session>,
        displaced: &mut Vec<SessionId>,
    ) -> Result<(), Error> {
        let except = presented.map(|session| session.id());
        let cap = self.inner.cap.map(|(at_most, _)| Cap { at_most, except });
        for _ in 0..MAX_TRIES {
            match self.ask(self.inner.store.insert(record.clone(), cap)).await? {
                Inserted::Done => return Ok(()),
                Inserted::Full => self.make_room(record, except, displaced).await?,
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Ends the sessions of a user that are over, and those beyond the cap if that may be.
    async fn make_room(
        &self,
        record: &Record,
        except: Option<SessionId>,
        displaced: &mut Vec<SessionId>,
    ) -> Result<(), Error> {
        let Some((cap, overflow)) = self.inner.cap else {
            return Ok(());
        };
        let mut living = Vec::new();
        let which = Selector::user(record.user());
        let mut sessions = self.living(&which);
        while let Some(page) = sessions.next().await? {
            living.extend(page.into_iter().filter(|judged| Some(judged.record.id()) != except));
        }
        // Newest first, so what comes after the cap is full is the oldest.
        let beyond = living.into_iter().skip(cap as usize - 1).collect::<Vec<_>>();
        if beyond.is_empty() {
            return Ok(());
        }
        if overflow == AtCap::Refuse {
            let user = record.user();
            self.tell_of_owner(user, EventKind::StartRefused { user: user.clone() });
            return Err(Error::too_many_sessions());
        }
        let ended = Ended::revoked(record.created());
        for judged in beyond {
            let id = judged.record.id();
            if self.end_record(judged.record, &ended).await? {
                displaced.push(id);
            }
        }
        Ok(())
    }

    /// Ends the session that the browser had. If that cannot be done, the new one ends, of which
    /// nobody has the secret yet, and the browser keeps what it had.
    async fn replace_presented(
        &self,
        record: &Arc<Record>,
        presented: Option<Session>,
        replaced: &mut Vec<SessionId>,
    ) -> Result<(), Error> {
        let Some(presented) = presented else {
            return Ok(());
        };
        let ended = Ended::revoked(record.created());
        match self.end_record(presented.record().clone(), &ended).await {
            Ok(_) => replaced.push(presented.id()),
            Err(error) => {
                if let Err(left) = self.end_record(record.clone(), &ended).await {
                    tracing::warn!(error = %left.with_causes(), "a session that nobody has is left");
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sees to it that no node forgets a policy that may still bind a session of this one.
    async fn tell_longest_silence(&self) -> Result<(), Error> {
        let silence = self.inner.app.longest_silence();
        let is_known = |rules: &OrgRules| rules.longest_silence().is_some_and(|s| silence <= s);
        let tell = |rules: &OrgRules| {
            Ok((!is_known(rules)).then(|| rules.with_longest_silence(silence, nonce())))
        };
        if self.change_rules(OrgRules::EVERYONE, tell).await? {
            // So that the first request need not ask.
            self.renew_rules(&mut TimeBudget::default()).await?;
        }
        Ok(())
    }
}
