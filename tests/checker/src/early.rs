//! Sessions that ended, or were forgotten, before anything can have ended them.

use crate::history::{History, Line, Session, SignIn};
use crate::report::{Kind, Violation};
use crate::{Outcome, Reason};

/// A session that began is known to the store.
pub(crate) fn acknowledged_is_lost(
    history: &History<'_>,
    session: &Session<'_>,
) -> Option<Violation> {
    let sign_in = session.sign_in?;
    let is_lost = |answer: &Line<'_>| {
        let forgotten = history.header.kept_for.map(|kept_for| answer.answered() - kept_for);
        answer.entry.outcome == Outcome::Nobody
            && session.started() < answer.began()
            && !forgotten.is_some_and(|by| history.may_be_over(session, sign_in, None, *answer, by))
    };
    let lost = session.requests.iter().find(|line| is_lost(line))?;
    Some(Violation {
        kind: Kind::AcknowledgedIsLost,
        what: format!(
            "session {} began in line {}, and nobody knows it in line {}",
            session.name, sign_in.line.number, lost.number
        ),
        lines: vec![sign_in.line.number, lost.number],
    })
}

/// What ended had a reason to.
pub(crate) fn cut_early(history: &History<'_>, session: &Session<'_>) -> Option<Violation> {
    let sign_in = session.sign_in?;
    // The first answer with a reason is the hardest to explain.
    for told in [None, Some(Reason::Absolute), Some(Reason::Idle), Some(Reason::Revoked)] {
        let is_told = |line: &&Line<'_>| line.entry.outcome == Outcome::Ended { reason: told };
        let first = session.requests.iter().filter(is_told).min_by_key(|line| line.answered());
        let Some(&answer) = first else { continue };
        if !history.may_be_over(session, sign_in, told, answer, answer.answered()) {
            return Some(violation(history, session, sign_in, answer));
        }
    }
    None
}

fn violation(
    history: &History<'_>,
    session: &Session<'_>,
    sign_in: SignIn<'_>,
    answer: Line<'_>,
) -> Violation {
    let active = history.last_active(session, answer).map(|line| line.number);
    Violation {
        kind: Kind::CutEarly,
        what: format!(
            "session {} is over in line {}, for a reason that cannot have struck by then",
            session.name, answer.number
        ),
        lines: [sign_in.line.number].into_iter().chain(active).chain([answer.number]).collect(),
    }
}

impl<'a> History<'a> {
    /// Whether a session may have been over at `by`, for this reason or, if there is none, for any,
    /// as an answer says that was given then or later.
    fn may_be_over(
        &self,
        session: &Session<'a>,
        sign_in: SignIn<'a>,
        reason: Option<Reason>,
        answer: Line<'a>,
        by: i64,
    ) -> bool {
        let is = |struck: Reason| reason.is_none_or(|reason| reason == struck);
        is(Reason::Absolute) && self.may_be_too_old(sign_in, by)
            || is(Reason::Idle) && self.may_be_idle(session, sign_in, answer, by)
            || is(Reason::Revoked) && self.may_be_revoked(session, sign_in, by)
    }

    fn may_be_too_old(&self, sign_in: SignIn<'a>, by: i64) -> bool {
        let created = sign_in.line.began();
        let policies = self.policies_of(sign_in).filter(|policy| policy.began <= by);
        let bound = policies.filter(|policy| policy.may_bind(created));
        let lengths = bound.map(|policy| policy.limits.absolute);
        let shortest = lengths.chain([sign_in.limits.absolute]).flatten().min();
        shortest.is_some_and(|length| created + length <= by + self.slack())
    }

    fn may_be_idle(
        &self,
        session: &Session<'a>,
        sign_in: SignIn<'a>,
        answer: Line<'a>,
        by: i64,
    ) -> bool {
        let active = self.last_active(session, answer).map(Line::began);
        let recorded = active.zip(self.header.touch_every).map(|(at, lag)| at - lag);
        let seen = recorded.map_or(sign_in.line.began(), |at| at.max(sign_in.line.began()));
        let policies = self.policies_of(sign_in).filter(|policy| policy.began <= by);
        // One that was replaced before the last activity binds no more, and clocks order the two.
        let bound = policies.filter(|policy| policy.may_bind(seen - self.slack()));
        let lengths = bound.map(|policy| policy.limits.idle);
        let shortest = lengths.chain([sign_in.limits.idle]).flatten().min();
        shortest.is_some_and(|length| seen + length <= by + self.slack())
    }

    /// The last request before an answer that was answered `alive`.
    fn last_active(&self, session: &Session<'a>, answer: Line<'a>) -> Option<Line<'a>> {
        let before = session.alive_requests().filter(|line| line.answered() < answer.began());
        before.max_by_key(|line| line.began())
    }

    fn may_be_revoked(&self, session: &Session<'a>, sign_in: SignIn<'a>, by: i64) -> bool {
        let in_time =
            |line: Line<'_>| line.began() <= by && sign_in.line.began() <= line.answered();
        self.ends_of(session).any(in_time) || self.may_be_displaced(session, sign_in, by)
    }
}
