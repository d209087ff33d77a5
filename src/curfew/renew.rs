//! Rotating the secret of a session.

use std::sync::Arc;

use super::budget::TimeBudget;
use super::error::{Contended, Error};
use super::handle::Curfew;
use crate::clock::Timestamp;
use crate::cookie::SetCookie;
use crate::event::EventKind;
use crate::session::{Record, Session, SessionKind, are_valid_methods};
use crate::store::{Loaded, Replaced};
use crate::token::{Secret, nonce};

/// Each try after the first follows a concurrent change.
const MAX_TRIES: u32 = 200;

impl Curfew {
    /// Gives a browser session a new secret, for example after a change of rights.
    ///
    /// The old secret is invalid at once; the id, the limits and everything else stay.
    ///
    /// # Errors
    ///
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired) if the session has ended or was rotated
    /// since this request began; [`NotForTokens`](crate::ErrorKind::NotForTokens) if it belongs to
    /// a token; [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn rotate(&self, session: &Session) -> Result<SetCookie, Error> {
        self.renew(session, None, Vec::new()).await
    }

    /// Records that the user has just reauthenticated, and rotates the secret. The time of the
    /// sign-in and the scheduled end do not move.
    ///
    /// # Errors
    ///
    /// The same errors as [`rotate`](Self::rotate).
    pub async fn reauthenticated(&self, session: &Session) -> Result<SetCookie, Error> {
        self.renew(session, Some(self.now()), Vec::new()).await
    }

    /// Records a reauthentication with these methods, such as `["otp"]` after a second factor.
    ///
    /// They are added to the methods of the sign-in, see
    /// [`NewSession::methods`](crate::NewSession::methods). Otherwise it works like
    /// [`reauthenticated`](Self::reauthenticated).
    ///
    /// # Errors
    ///
    /// The same errors as [`rotate`](Self::rotate), and
    /// [`InvalidMethod`](crate::ErrorKind::InvalidMethod) if a method is invalid.
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

    /// Replaces the secret that the session came with, but not a newer one.
    async fn replace_secret(
        &self,
        session: &Session,
        secret: &Secret,
        authenticated: Option<Timestamp>,
        methods: &[Arc<str>],
    ) -> Result<Arc<Record>, Error> {
        let mut record = session.record().clone();
        // All calls share the budget, as where a session ends.
        let mut budget = TimeBudget::default();
        for _ in 0..MAX_TRIES {
            let since = authenticated.unwrap_or(record.authenticated());
            let next = record.next(nonce()).with_secret(secret.hash()).with_authentication(since);
            let next = Arc::new(next.with_methods(methods.iter().cloned()));
            match self.ask_within(&mut budget, self.inner.store.replace(next.clone())).await? {
                Replaced::Done => return Ok(next),
                Replaced::Gone => return Err(Error::sign_in_required()),
                Replaced::Stale => {}
            }
            match self.ask_within(&mut budget, self.inner.store.load(session.id())).await? {
                // An answer was lost, and activity was recorded since.
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
