//! The check of one request: load, judge, record activity.

use std::sync::Arc;

use super::budget::TimeBudget;
use super::error::{Contended, Error};
use super::handle::Curfew;
use super::touch::Recorded;
use super::verdict::{Judged, MAX_TRIES, check_clock};
use crate::clock::Timestamp;
use crate::cookie::SetCookie;
use crate::event::{EventKind, RefusalReason};
use crate::judge::{LiveState, Verdict};
use crate::meter;
use crate::session::{ClientDetails, Presence, Record, Session, SessionId, SessionKind};
use crate::store::Loaded;
use crate::token::Token;

/// The result of checking a request.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) presence: Presence,
    /// The refreshed cookie, if it is due and this request is to carry it.
    pub(crate) refreshed: Option<SetCookie>,
}

impl Checked {
    pub(crate) fn without_refresh(presence: Presence) -> Self {
        Self { presence, refreshed: None }
    }

    fn admitted(record: Arc<Record>, live: LiveState, now: Timestamp) -> Self {
        Self::without_refresh(Presence::Live(Session::new(record, live.schedule, now)))
    }
}

/// How a request counts as activity in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// A user uses the session.
    Active,
    /// A script polls on its own, without the user.
    Passive,
}

impl Curfew {
    /// Checks the session of a request whose token verified. `client` is called only if its answer
    /// is to be recorded.
    pub(crate) async fn check(
        &self,
        token: &Token,
        activity: Activity,
        client: impl Fn() -> ClientDetails,
    ) -> Result<Checked, Error> {
        let checked = self.try_check(token, activity, client).await;
        if checked.is_err() {
            self.refused(RefusalReason::Unavailable, Some(token.id), None);
        }
        checked
    }

    /// Admits a request without waiting, if its session is known and nothing else has to be done.
    /// `None` is not a rejection: [`check`](Self::check) the request then.
    pub(crate) fn check_now(&self, token: &Token, activity: Activity) -> Option<Checked> {
        let now = self.now();
        let Loaded { record, rules: stands, clock } = self.inner.store.load_now(token.id)?;
        check_clock(clock, now).ok()?;
        if record.secret_hash() != token.secret.hash() || self.inner.rules.revision() != stands {
            return None;
        }
        match self.judge_by_copy(&record, stands, now) {
            Ok(Some(Verdict::Live(live))) if live.above_rules => None,
            Ok(Some(Verdict::Live(live))) if activity == Activity::Passive => {
                Some(Checked::admitted(record, live, now))
            }
            Ok(Some(Verdict::Live(live))) if now < live.touch_at => {
                Some(self.admit(token, record, live, false, now))
            }
            _ => None,
        }
    }

    async fn try_check(
        &self,
        token: &Token,
        activity: Activity,
        client: impl Fn() -> ClientDetails,
    ) -> Result<Checked, Error> {
        let hash = token.secret.hash();
        // All calls share the budget, so that the handler does not wait twice as long.
        let mut budget = TimeBudget::default();
        for _ in 0..MAX_TRIES {
            let Some(judged) = self.load(&mut budget, token.id).await? else {
                return Ok(self.nobody(RefusalReason::Unknown, token, None));
            };
            if judged.record.secret_hash() != hash {
                return Ok(self.nobody(RefusalReason::Superseded, token, Some(&judged.record)));
            }
            // The rare paths are boxed. Otherwise every request would reserve memory for them.
            let checked = match judged.verdict {
                Verdict::Live(live) if activity == Activity::Passive => {
                    Some(Checked::admitted(judged.record, live, judged.now))
                }
                Verdict::Live(ref live) if live.touch_at <= judged.now => {
                    Box::pin(self.touch_and_admit(token, judged, client(), &mut budget)).await?
                }
                Verdict::Live(live) => {
                    Some(self.admit(token, judged.record, live, false, judged.now))
                }
                Verdict::Over(_) => Box::pin(self.turn_out(judged, &mut budget)).await?,
                Verdict::Gone => {
                    Some(self.nobody(RefusalReason::Unknown, token, Some(&judged.record)))
                }
            };
            if let Some(checked) = checked {
                return Ok(checked);
            }
        }
        Err(Error::unavailable(Contended))
    }

    fn nobody(&self, why: RefusalReason, token: &Token, record: Option<&Arc<Record>>) -> Checked {
        let user = record.map(|record| record.user().clone());
        self.refused(why, Some(token.id), user);
        Checked::without_refresh(Presence::Anonymous)
    }

    /// Reports that the credentials of a request are refused.
    pub(crate) fn refused(
        &self,
        why: RefusalReason,
        session: Option<SessionId>,
        user: Option<Arc<str>>,
    ) {
        meter::refusal(why.as_str());
        self.tell(None, EventKind::Refused { why, session, user });
    }

    /// Reports that a session is over, once that is written; `None` if it turns out to be alive.
    async fn turn_out(
        &self,
        judged: Judged,
        budget: &mut TimeBudget,
    ) -> Result<Option<Checked>, Error> {
        let Some(Judged { record, verdict: Verdict::Over(ended), .. }) =
            self.settle(budget, judged).await?
        else {
            return Ok(None);
        };
        let why = RefusalReason::Ended(ended.clone());
        self.refused(why, Some(record.id()), Some(record.user().clone()));
        Ok(Some(Checked::without_refresh(Presence::Ended(ended))))
    }

    /// Records the activity of a living session and admits it; `None` if the session has changed
    /// since it was loaded.
    async fn touch_and_admit(
        &self,
        token: &Token,
        judged: Judged,
        client: ClientDetails,
        budget: &mut TimeBudget,
    ) -> Result<Option<Checked>, Error> {
        let now = judged.now;
        Ok(match self.record_activity(budget, &judged, Some(&client)).await? {
            Recorded::As(next, live) => Some(self.admit(token, next, live, true, now)),
            Recorded::Stale => None,
            Recorded::NotNow => {
                let Verdict::Live(live) = judged.verdict else { return Ok(None) };
                Some(self.admit(token, judged.record, live, false, now))
            }
        })
    }

    /// Admits a living session, and refreshes its cookie if that is due.
    fn admit(
        &self,
        token: &Token,
        record: Arc<Record>,
        live: LiveState,
        recorded: bool,
        now: Timestamp,
    ) -> Checked {
        let due_at = match record.kind() {
            SessionKind::Browser | SessionKind::BrowserUntilClosed => {
                token.issued_at + self.inner.app.refresh
            }
            SessionKind::Token => Timestamp::NEVER,
        };
        // Of parallel requests, the one that recorded the activity carries the cookie. If its
        // response was lost, the cookie becomes old enough that any request carries a new one.
        let carries = recorded || due_at + live.touch_every <= now;
        let refreshed = (carries && due_at <= now).then(|| {
            meter::cookie_refreshed();
            self.cookie(&record, token.secret.clone(), now)
        });
        Checked { refreshed, ..Checked::admitted(record, live, now) }
    }

    /// Whether this session is still alive and still has the secret that it came with.
    pub(crate) async fn is_still_alive(&self, session: &Session) -> Result<bool, Error> {
        let judged = self.load(&mut TimeBudget::default(), session.id()).await?;
        Ok(judged.is_some_and(|judged| {
            judged.record.secret_hash() == session.secret_hash()
                && matches!(judged.verdict, Verdict::Live(_))
        }))
    }
}
