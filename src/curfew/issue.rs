//! Issuing tokens.

use super::actor::Actor;
use super::error::Error;
use super::handle::Curfew;
use super::start::{Begun, Origin};
use crate::session::{ClientDetails, NewSession, Selector, Session, SessionKind};
use crate::token::{IssuedToken, Token};

impl Curfew {
    /// Issues a bearer token for a client that is no browser: a command line, a mobile or a desktop
    /// app. It is a session as any other, with [limits of its own](crate::Builder::token_limits): it
    /// is listed, ends and is revoked like those of browsers, and organizations bind it.
    ///
    /// It is issued in the name of a session: refused if that has ended by now, however slowly the
    /// request arrived, and authenticated when that was, so that no token makes a sign-in fresher than
    /// it is. A program on its own has [`Operator::issue_token`](super::Operator::issue_token).
    ///
    /// Give it a [name](NewSession::named) that its owner will know it by. What is known of the
    /// client is recorded at its first use.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and [`SignInRequired`](crate::ErrorKind::SignInRequired) if the
    /// session has ended or was renewed. A cap that has room for the issuer alone is
    /// [`TooManySessions`](crate::ErrorKind::TooManySessions).
    pub async fn issue_token(
        &self,
        issuer: &Session,
        new: NewSession,
    ) -> Result<IssuedToken, Error> {
        self.issue(Actor::by(issuer), new).await
    }

    pub(super) async fn issue(&self, issuer: Actor, new: NewSession) -> Result<IssuedToken, Error> {
        let curfew = self.clone();
        self.to_the_end(async move {
            curfew.refuse_if_ended(&issuer).await?;
            let new = NewSession { kind: SessionKind::Token, ..new };
            let nobody = ClientDetails::default();
            let Begun { record, secret } =
                curfew.begin(new, &nobody, Origin::Issued(&issuer)).await?;
            // Whoever ended all sessions meanwhile may have missed it.
            if let Err(ended) = curfew.refuse_if_ended(&issuer).await {
                let which = Selector::session(record.id());
                let _ = curfew.revoke_all(issuer, which).await?;
                return Err(ended);
            }
            let (id, issued_at) = (record.id(), record.created());
            let token = Token { id, secret, issued_at };
            Ok(IssuedToken::new(id, &curfew.inner.credentials.sign_bearer(&token)))
        })
        .await
    }
}
