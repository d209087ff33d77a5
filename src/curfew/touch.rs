//! Activity in a session that comes as no request.

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
            match self.record_activity(&mut budget, &judged, None).await? {
                Recorded::As(..) | Recorded::NotNow => return Ok(()),
                Recorded::Stale => {}
            }
        }
        Err(Error::unavailable(Contended))
    }

    /// Records that a living session is used. A client that is not known stays as it was.
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

/// What became of it.
pub(super) enum Recorded {
    As(Arc<Record>, LiveState),
    /// Somebody else has changed the session since it was loaded.
    Stale,
    /// The store did not do it. Who it is is known all the same, and whoever comes next tries again.
    NotNow,
}
