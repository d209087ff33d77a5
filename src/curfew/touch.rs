//! Recording activity outside of requests.

use std::sync::Arc;

use super::budget::TimeBudget;
use super::error::{Contended, Error};
use super::handle::Curfew;
use super::verdict::{Judged, MAX_TRIES};
use crate::judge::{LiveState, Verdict};
use crate::meter;
use crate::session::{ClientDetails, Record, Session, SessionId};
use crate::store::Replaced;

impl Curfew {
    /// Records activity in a session, such as a user's message over a WebSocket.
    ///
    /// It calls the store no more often than requests do, so you can call it for each message.
    ///
    /// # Errors
    ///
    /// [`SignInRequired`](crate::ErrorKind::SignInRequired) if the session is over;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn touch(&self, session: &Session) -> Result<(), Error> {
        // Without a waiting task, this is the state at the request.
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

    /// Records use of a session outside of a request, if that is due.
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
            match self.record_activity(&mut budget, &judged, None).await? {
                Recorded::As(..) | Recorded::NotNow => return Ok(()),
                Recorded::Stale => {}
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Records that a living session is used. Without new client details, the old ones stay.
    pub(super) async fn record_activity(
        &self,
        budget: &mut TimeBudget,
        judged: &Judged,
        client: Option<&ClientDetails>,
    ) -> Result<Recorded, Error> {
        let Some((next, Verdict::Live(live))) = self.active(judged, client)? else {
            return Ok(Recorded::Stale);
        };
        Ok(match self.ask_within(budget, self.inner.store.replace(next.clone())).await {
            Ok(Replaced::Done) => {
                meter::activity_recorded();
                Recorded::As(next, live)
            }
            Ok(Replaced::Stale | Replaced::Gone) => Recorded::Stale,
            Err(error) => {
                tracing::warn!(error = %error.with_causes(), "activity could not be recorded");
                Recorded::NotNow
            }
        })
    }
}

/// The result of recording activity.
pub(super) enum Recorded {
    As(Arc<Record>, LiveState),
    /// The session has changed since it was loaded.
    Stale,
    /// The store did not record it. The session is known nevertheless, and the next request tries
    /// again.
    NotNow,
}
