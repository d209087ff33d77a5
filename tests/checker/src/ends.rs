//! Ends by a call: when they are certain, and that they are final.

use crate::history::{History, Line, Session};
use crate::report::{Kind, Violation};
use crate::{Call, Outcome};

impl<'a> History<'a> {
    /// The answer after which a session is certainly over, whatever limits there are.
    pub(crate) fn surely_over(&self, session: &Session<'a>) -> Option<Line<'a>> {
        let told = |line: &Line<'_>| matches!(line.entry.outcome, Outcome::Ended { .. });
        let told = session.requests.iter().copied().filter(told);
        // One that began earlier may have taken effect before the session was there.
        let done = self.ends_of(session).filter(|line| session.started() < line.began());
        let all = told.chain(done).filter(|line| line.answered() != i64::MAX);
        all.min_by_key(|line| line.answered())
    }
}

/// What is over for certain is not seen alive any more.
pub(crate) fn ended_lives(history: &History<'_>, session: &Session<'_>) -> Option<Violation> {
    let over = history.surely_over(session)?;
    let later = session.sightings().filter(|line| over.answered() < line.began());
    let seen = later.min_by_key(|line| line.began())?;
    let how = match over.entry.call {
        Call::Request { .. } => "was told to be over",
        _ => "was ended",
    };
    let began = session.sign_in.map(|sign_in| sign_in.line.number);
    Some(Violation {
        kind: Kind::EndedLives,
        what: format!(
            "session {} {how} in line {}, and is alive in line {}, {} µs later",
            session.name,
            over.number,
            seen.number,
            seen.began() - over.answered()
        ),
        lines: began.into_iter().chain([over.number, seen.number]).collect(),
    })
}
