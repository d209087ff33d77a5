//! Seeing sessions, and ending them.

use tokio::time::timeout;

use super::{Curfew, Error};
use crate::event::What;
use crate::judge::Verdict;
use crate::session::{ActiveSession, Ended, Kind, Selector, Session, SessionId};
use crate::store::{Facts, Page};
use crate::time::Timestamp;
use crate::token::SetCookie;

impl Curfew {
    /// Ends one's own session: signs out. To end one that has ended is no error.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer. Then it may not
    /// have ended.
    pub async fn end(&self, session: &Session) -> Result<SetCookie, Error> {
        let cookie = self.clearing_cookie(session);
        let (curfew, session) = (self.clone(), session.clone());
        let work = async move {
            let ended = Ended::revoked(curfew.now());
            let which = Selector::session(session.id());
            if curfew.ask(curfew.inner.store.end(&which, &ended)).await? != 0 {
                curfew.tell_of_own(session.record(), |user, session| What::Ended {
                    user,
                    session,
                    ended,
                });
            }
            Ok(())
        };
        self.uninterrupted(work).await?;
        Ok(cookie)
    }

    /// What makes the browser forget its cookie, if it is one that has the session.
    pub(crate) fn clearing_cookie(&self, session: &Session) -> SetCookie {
        match session.kind() {
            Kind::Browser | Kind::BrowserUntilClosed => self.inner.cookie.clear(),
            Kind::Token => SetCookie::nothing(),
        }
    }

    /// Ends somebody's sessions, and says how many they were. It bites at their next request.
    ///
    /// Of a user, what is over already is first written down with its own reason, as far as that is
    /// possible, and then does not count.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer. Then they may not
    /// have ended.
    pub async fn revoke(&self, which: Selector) -> Result<u64, Error> {
        let curfew = self.clone();
        self.uninterrupted(async move { curfew.revoke_all(which).await }).await
    }

    async fn revoke_all(&self, which: Selector) -> Result<u64, Error> {
        if !which.can_match() {
            return Ok(0);
        }
        if which.by_user().is_some() {
            // What cannot be read, or not soon, must end all the same.
            let soon = self.inner.timeout / 4;
            match timeout(soon, self.settle_all(&which)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = %error.with_causes(), "reasons could not be recorded");
                }
                Err(_) => tracing::warn!("reasons could not be recorded in time"),
            }
        }
        let ended = Ended::revoked(self.now());
        let sessions = self.ask(self.inner.store.end(&which, &ended)).await?;
        if sessions != 0 {
            self.tell_of_actor(What::Revoked { which, sessions });
        }
        Ok(sessions)
    }

    /// Ends a session of whoever this one belongs to, and says whether it was theirs. To end it again
    /// is no error.
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    pub(crate) async fn end_own(&self, own: &Session, id: SessionId) -> Result<bool, Error> {
        if self.revoke(Selector::user(own.user()).only(id)).await? != 0 {
            return Ok(true);
        }
        let facts = self.ask(self.inner.store.load(id)).await?;
        Ok(facts.is_some_and(|facts| *facts.record().user == *own.user()))
    }

    /// The active sessions of a user, newest sign-in first: all that would pass the check now, and
    /// no other. At most 1,000, the newest.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the store does not answer.
    pub async fn list(&self, user: impl ToString) -> Result<Vec<ActiveSession>, Error> {
        let mut active = Vec::new();
        let over = self
            .each_living(&Selector::user(user), |session| {
                active.push(session);
                active.len() < MAX_LISTED
            })
            .await?;
        self.settle(over).await;
        Ok(active)
    }

    /// Shows the living sessions among the matching ones to `visit`, newest sign-in first, until it
    /// has seen enough. Answers with those that turned out to be over, for the caller to end.
    pub(super) async fn each_living(
        &self,
        which: &Selector,
        mut visit: impl FnMut(ActiveSession) -> bool,
    ) -> Result<Vec<(Facts, Ended)>, Error> {
        let mut over = Vec::new();
        let mut listing = self.listing(which);
        while let Some(page) = listing.next().await? {
            for facts in page {
                let now = self.now();
                let ended = match self.judge(&facts, now)? {
                    Verdict::Live(schedule) => {
                        if !visit(ActiveSession::new(facts.record().clone(), schedule.ends)) {
                            return Ok(over);
                        }
                        continue;
                    }
                    Verdict::Over(ended) => ended,
                    // Until it is deleted, it must not fill a place under the cap.
                    Verdict::Gone => Ended::revoked(now),
                };
                over.push((facts, ended));
            }
        }
        Ok(over)
    }

    /// Writes down which of the matching sessions are over.
    async fn settle_all(&self, which: &Selector) -> Result<(), Error> {
        let over = self.each_living(which, |_| true).await?;
        self.settle(over).await;
        Ok(())
    }

    /// Writes down what turned out to be over, until the store fails: then whoever looks next finds
    /// the same.
    async fn settle(&self, over: Vec<(Facts, Ended)>) {
        for (facts, ended) in over {
            if let Err(error) = self.write_ended(&facts, &ended).await {
                tracing::warn!(error = %error.with_causes(), "an end could not be recorded");
                return;
            }
        }
    }

    pub(super) fn listing<'a>(&'a self, which: &'a Selector) -> Listing<'a> {
        Listing { curfew: self, which, after: None, more: which.can_match() }
    }
}

/// A list is for people to read.
const MAX_LISTED: usize = 1_000;

/// The matching sessions, page by page, newest sign-in first.
pub(super) struct Listing<'a> {
    curfew: &'a Curfew,
    which: &'a Selector,
    after: Option<(Timestamp, SessionId)>,
    more: bool,
}

const PAGE: u32 = 100;

impl Listing<'_> {
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Facts>>, Error> {
        if !self.more {
            return Ok(None);
        }
        let curfew = self.curfew;
        let page = Page { after: self.after, at_most: PAGE };
        let listed = curfew.ask(curfew.inner.store.list(self.which, page)).await?;
        self.after = listed.last().map(|facts| (facts.record().created, facts.record().id));
        self.more = listed.len() == PAGE as usize;
        Ok(Some(listed))
    }
}
