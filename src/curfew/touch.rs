//! Activity in a session that comes as no request.

use super::budget::TimeBudget;
use super::error::{Contended, Error};
use super::handle::Curfew;
use super::verdict::MAX_TRIES;
use crate::judge::Verdict;
use crate::meter;
use crate::session::{Session, SessionId};
use crate::store::Replaced;

impl Curfew {
    /// Records that there was activity in a session, such as a message that a person sent over a
    /// WebSocket. It asks the store no more often than requests do, so it may be called for each message.
    ///
    /// # Errors
    ///
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired) if the session is over;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn touch(&self, session: &Session) -> Result<(), Error> {
        // Without a waiter, this is what the request knew.
        let known = self.inner.waiting.record(session.id());
        let known = known.as_ref().unwrap_or(session.record());
        let revision = self.inner.rules.revision();
        if let Ok(Some(Verdict::Live(live))) = self.judge_by_copy(known, revision, self.now())
            && self.now() < live.touch_at
        {
            return Ok(());
        }
        self.record_use(session.id()).await
    }

    /// Records that somebody uses a session other than by a request, if that is due.
    async fn record_use(&self, id: SessionId) -> Result<(), Error> {
        let mut budget = TimeBudget::default();
        for _ in 0..MAX_TRIES {
            let judged = match self.load(&mut budget, id).await? {
                Some(judged) => self.settle(&mut budget, judged).await?,
                None => None,
            };
            let Some(judged) = judged else { return Err(Error::sign_in_required()) };
            match &judged.verdict {
                Verdict::Live(live) if judged.now < live.touch_at => return Ok(()),
                Verdict::Live(_) => {}
                Verdict::Over(_) | Verdict::Gone => return Err(Error::sign_in_required()),
            }
            let Some((next, Verdict::Live(_))) = self.active(&judged, None)? else { continue };
            match self.ask_within(&mut budget, self.inner.store.replace(next)).await {
                Ok(Replaced::Done) => {
                    meter::activity_recorded();
                    return Ok(());
                }
                Ok(Replaced::Stale | Replaced::Gone) => {}
                Err(error) => {
                    tracing::warn!(error = %error.with_causes(), "activity could not be recorded");
                    return Ok(());
                }
            }
        }
        Err(Error::unavailable(Contended))
    }
}
