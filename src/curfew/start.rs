//! Signing in.

use std::sync::Arc;

use super::actor::Actor;
use super::budget::TimeBudget;
use super::error::{Contended, Error};
use super::handle::{AtCap, Curfew};
use super::parallel::in_parallel;
use super::verdict::Judged;
use crate::cookie::SetCookie;
use crate::event::EventKind;
use crate::judge::purge_after;
use crate::policy::{OrgRules, Rules};
use crate::session::{
    ClientDetails, ClientInfo, Ended, Membership, NewSession, Record, Selector, Session, SessionId,
    are_valid_methods,
};
use crate::store::{Cap, Inserted};
use crate::token::{Secret, nonce, random_id};

/// A session that has begun.
pub(super) struct Begun {
    pub(super) record: Arc<Record>,
    pub(super) secret: Secret,
}

/// The origin of a session.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A user has signed in, with a browser that may have had a session.
    SignIn(Option<&'a Session>),
    /// An actor has issued a token.
    Issued(&'a Actor),
}

impl<'a> Origin<'a> {
    /// The session that it replaces.
    fn presented(self) -> Option<&'a Session> {
        match self {
            Self::SignIn(presented) => presented,
            Self::Issued(_) => None,
        }
    }

    fn issuer(self) -> Option<&'a Actor> {
        match self {
            Self::SignIn(_) => None,
            Self::Issued(actor) => Some(actor),
        }
    }

    fn issuing_session(self) -> Option<&'a Session> {
        self.issuer().and_then(Actor::session)
    }
}

/// How often a sign-in makes room while others take it.
const MAX_TRIES: u32 = 200;

impl Curfew {
    /// Starts a session for a user who has just authenticated.
    ///
    /// The session that `client` presents, if any, ends before this returns. So signing in again in
    /// the same browser leaves one session, and an attacker cannot pass a session on to a victim
    /// (session fixation). If any step fails, the browser keeps its previous session.
    ///
    /// # Errors
    ///
    /// [`TooManySessions`](crate::ErrorKind::TooManySessions) if the user is at a cap that refuses;
    /// [`InvalidName`](crate::ErrorKind::InvalidName) if the name of the user, an organization or
    /// the session has no bytes, more than 512, or a NUL, or if the session's name has no visible
    /// character; [`InvalidLink`](crate::ErrorKind::InvalidLink) if there are too many links or one
    /// is invalid; [`InvalidMethod`](crate::ErrorKind::InvalidMethod) if there are too many methods
    /// or one is invalid; [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not
    /// answer.
    pub async fn start(&self, new: NewSession, client: &ClientInfo) -> Result<SetCookie, Error> {
        let (curfew, client) = (self.clone(), client.clone());
        let Begun { record, secret } = self
            .to_the_end(async move {
                let presented = client.presented();
                curfew.begin(new, client.client(), Origin::SignIn(presented.as_ref())).await
            })
            .await?;
        Ok(self.cookie(&record, secret, record.created()))
    }

    /// Stores a session that replaces the presented one. If that fails, ends it before its secret
    /// is handed out.
    pub(super) async fn begin(
        &self,
        new: NewSession,
        client: &ClientDetails,
        origin: Origin<'_>,
    ) -> Result<Begun, Error> {
        if !new.has_valid_names() {
            return Err(Error::invalid_name());
        }
        if !new.has_valid_links() {
            return Err(Error::invalid_link());
        }
        if !are_valid_methods(&new.methods) {
            return Err(Error::invalid_method());
        }
        let secret = Secret::random();
        let mut record = self.new_record(&new, client, &secret).await?;
        if let Some(issuer) = origin.issuing_session() {
            let since = issuer.authenticated_at().min(record.authenticated());
            record = record.with_authentication(since);
            if new.methods.is_empty() {
                record = record.with_methods(issuer.record().methods().cloned());
            }
        }
        let record = Arc::new(record);
        let mut replaced = Vec::new();
        let inserted = self.insert(&record, origin, &mut replaced).await;
        let begun = match (inserted, origin.presented()) {
            (Ok(()), Some(presented)) => {
                self.replace_presented(&record, presented, &mut replaced).await
            }
            (inserted, _) => inserted,
        };
        match begun {
            Ok(()) => self.tell_of_start(&record, origin.issuer(), replaced),
            // The sessions that made room for it have ended nevertheless.
            Err(_) => replaced.iter().for_each(|id| self.tell_of_displaced(&record, *id)),
        }
        begun.map(|()| Begun { record, secret })
    }

    /// The record to store, stamped with rules that are at least as new as this call.
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
            // Unless the rules were forgotten in the meantime.
            if stands <= copy.revision() {
                return self.stamped(new, client, secret, copy.rules());
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
            .with_methods(new.methods.clone())
            .with_limits(limits)
            .with_everyone(rules.everyone()?.stamp())
            .with_memberships(memberships)
            .with_client(client);
        let due = purge_after(&record, rules, &self.inner.app, now)?;
        Ok(record.with_purge_after(due))
    }

    /// Inserts a record. Sessions that must make room for it are ended first, and noted.
    async fn insert(
        &self,
        record: &Arc<Record>,
        origin: Origin<'_>,
        displaced: &mut Vec<SessionId>,
    ) -> Result<(), Error> {
        let except = origin.presented().map(|session| session.id());
        let cap = Some(Cap { at_most: self.inner.cap.0, except });
        for _ in 0..MAX_TRIES {
            match self.ask(self.inner.store.insert(record.clone(), cap)).await? {
                Inserted::Done => return Ok(()),
                Inserted::Full => self.make_room(record, origin, displaced).await?,
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Ends the sessions of a user that are over, and those beyond the cap if `at_cap` allows it.
    async fn make_room(
        &self,
        record: &Record,
        origin: Origin<'_>,
        displaced: &mut Vec<SessionId>,
    ) -> Result<(), Error> {
        let (cap, at_cap) = self.inner.cap;
        let presented = origin.presented().map(|session| session.id());
        let issuer = origin.issuing_session().map(|session| session.id());
        let (mut living, mut room) = (Vec::new(), cap as usize - 1);
        let which = Selector::user(&**record.user());
        let mut sessions = self.living(&which);
        while let Some(page) = sessions.next().await? {
            for Judged { record, .. } in page {
                match Some(record.id()) {
                    id if id == presented => {}
                    // The issuing session does not make room for its own token.
                    id if id == issuer && room == 0 => return Err(Error::too_many_sessions()),
                    id if id == issuer => room -= 1,
                    _ => living.push(record),
                }
            }
        }
        // Newest first, so the sessions beyond the cap are the oldest.
        let beyond = living.into_iter().skip(room).collect::<Vec<_>>();
        if beyond.is_empty() {
            return Ok(());
        }
        if at_cap == AtCap::Refuse {
            let user = record.user().clone();
            let actor = origin.issuer().map_or_else(|| user.clone(), Actor::name);
            self.tell(Some(actor), EventKind::StartRefused { user });
            return Err(Error::too_many_sessions());
        }
        let ended = Ended::revoked(record.created());
        let end = |record: Arc<Record>| {
            let (curfew, ended, id) = (self.clone(), ended.clone(), record.id());
            async move { Ok(curfew.end_record(record, &ended).await?.then_some(id)) }
        };
        let mut outcome = Ok(());
        for made_room in in_parallel(beyond, end).await {
            match made_room {
                Ok(id) => displaced.extend(id),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// Ends the session that the browser presented. If that fails, the new session ends, whose
    /// secret is not known to anybody yet, and the browser keeps its previous session.
    async fn replace_presented(
        &self,
        record: &Arc<Record>,
        presented: &Session,
        replaced: &mut Vec<SessionId>,
    ) -> Result<(), Error> {
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

    /// Makes sure that no node forgets a policy that may still bind a session of this node.
    async fn tell_longest_silence(&self) -> Result<(), Error> {
        let silence = self.inner.app.longest_silence();
        let is_known = |rules: &OrgRules| rules.longest_silence().is_some_and(|s| silence <= s);
        let tell = |rules: &OrgRules| {
            Ok((!is_known(rules)).then(|| rules.with_longest_silence(silence, nonce())))
        };
        if self.change_rules(OrgRules::EVERYONE, tell).await?.is_some() {
            // So that the first request need not ask for them.
            self.renew_rules(&mut TimeBudget::default()).await?;
        }
        Ok(())
    }
}
