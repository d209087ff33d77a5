//! Issuing tokens.

use super::actor::Actor;
use super::error::Error;
use super::handle::Curfew;
use super::start::{Begun, Origin};
use crate::session::{ClientDetails, NewSession, Selector, Session, SessionKind};
use crate::token::{IssuedToken, Token};

impl Curfew {
    /// Issues a bearer token for a command line, a mobile app or a desktop app.
    ///
    /// A token is a session with [its own limits](crate::Builder::token_limits). It is listed,
    /// ended and revoked like a browser session, and policies of organizations bind it.
    ///
    /// The token is issued in the name of a session, and refused if that session has ended in the
    /// meantime, even if the request arrived slowly. Its time of authentication is that of the
    /// session, so that a token is never fresher than its sign-in. A program without a session uses
    /// [`Operator::issue_token`](super::Operator::issue_token).
    ///
    /// Give it a [name](NewSession::named) that its owner will recognize. Details of the client are
    /// recorded at its first use.
    ///
    /// # Errors
    ///
    /// The same errors as [`start`](Self::start), and
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired) if the session has ended or was
    /// rotated. If the cap has room for the issuing session only, the error is
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
            // A call that ended all sessions in the meantime may have missed it.
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
