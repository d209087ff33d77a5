//! Giving a session a new secret.

use std::sync::Arc;

use super::error::{Contended, Error};
use super::handle::Curfew;
use crate::clock::Timestamp;
use crate::cookie::SetCookie;
use crate::event::EventKind;
use crate::session::{Record, Session, SessionKind, are_valid_methods};
use crate::store::{Loaded, Replaced};
use crate::token::{Secret, nonce};

/// Each try but the first follows a change that somebody made since the last one.
const MAX_TRIES: u32 = 200;

impl Curfew {
    /// Gives the session of a browser a new secret, as after a change of rights. The old one is dead
    /// at once; id, limits and everything else stay.
    ///
    /// # Errors
    ///
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired) if the session has ended or was rotated
    /// since this request began, [`NotForTokens`](crate::ErrorKind::NotForTokens) if it is that of a
    /// token, [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn rotate(&self, session: &Session) -> Result<SetCookie, Error> {
        self.renew(session, None, Vec::new()).await
    }

    /// Records that the person has just proved again who they are, and rotates the secret. Neither
    /// the time of the sign-in nor any end moves.
    ///
    /// # Errors
    ///
    /// As [`rotate`](Self::rotate).
    pub async fn reauthenticated(&self, session: &Session) -> Result<SetCookie, Error> {
        self.renew(session, Some(self.now()), Vec::new()).await
    }

    /// As [`reauthenticated`](Self::reauthenticated), in these ways beside those of the sign-in, such as
    /// `["otp"]` after a second factor; see [`NewSession::methods`](crate::NewSession::methods).
    ///
    /// # Errors
    ///
    /// As [`rotate`](Self::rotate), and [`InvalidMethod`](crate::ErrorKind::InvalidMethod) if a method
    /// cannot be kept.
    pub async fn reauthenticated_with(
        &self,
        session: &Session,
        methods: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<SetCookie, Error> {
        let methods = methods.into_iter().map(|method| method.into().into()).collect::<Vec<_>>();
        if !are_valid_methods(&methods) {
            return Err(Error::invalid_method());
        }
        self.renew(session, Some(self.now()), methods).await
    }

    async fn renew(
        &self,
        session: &Session,
        authenticated: Option<Timestamp>,
        methods: Vec<Arc<str>>,
    ) -> Result<SetCookie, Error> {
        if session.kind() == SessionKind::Token {
            return Err(Error::not_for_tokens());
        }
        let (curfew, session) = (self.clone(), session.clone());
        self.to_the_end(async move {
            let secret = Secret::random();
            let record = curfew.replace_secret(&session, &secret, authenticated, &methods).await?;
            curfew.tell_of_own(&record, |user, session| {
                let reauthenticated = authenticated.is_some();
                EventKind::Renewed { user, session, reauthenticated }
            });
            Ok(curfew.cookie(&record, secret, curfew.now()))
        })
        .await
    }

    /// Replaces the secret that the session came with, and no newer one.
    async fn replace_secret(
        &self,
        session: &Session,
        secret: &Secret,
        authenticated: Option<Timestamp>,
        methods: &[Arc<str>],
    ) -> Result<Arc<Record>, Error> {
        let mut record = session.record().clone();
        for _ in 0..MAX_TRIES {
            let since = authenticated.unwrap_or(record.authenticated());
            let next = record.next(nonce()).with_secret(secret.hash()).with_authentication(since);
            let next = Arc::new(next.with_methods(methods.iter().cloned()));
            match self.ask(self.inner.store.replace(next.clone())).await? {
                Replaced::Done => return Ok(next),
                Replaced::Gone => return Err(Error::sign_in_required()),
                Replaced::Stale => {}
            }
            match self.ask(self.inner.store.load(session.id())).await? {
                // An answer was lost, and somebody has recorded activity since.
                Some(Loaded { record, .. }) if record.secret_hash() == secret.hash() => {
                    return Ok(record);
                }
                Some(fresh) if fresh.record.secret_hash() == session.secret_hash() => {
                    record = fresh.record;
                }
                _ => return Err(Error::sign_in_required()),
            }
        }
        Err(Error::unavailable(Contended))
    }
}
