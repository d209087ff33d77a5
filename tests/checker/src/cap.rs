//! The cap on sessions of a user.

use std::collections::HashSet;

use crate::history::{History, Line, Session, SignIn, User};
use crate::report::{Kind, Violation};
use crate::{AtCap, Outcome};

/// The sessions of a user that live at one moment are no more than the cap.
pub(crate) fn over_the_cap(history: &History<'_>, user: &User<'_>) -> Option<Violation> {
    let cap = history.header.cap?.sessions;
    let crowd = crowded_list(history, user, cap).or_else(|| crowd(history, user, cap))?;
    Some(Violation {
        kind: Kind::OverTheCap,
        what: format!("{} sessions of a user live at one moment, where {cap} may", crowd.sessions),
        lines: crowd.lines,
    })
}

struct Crowd {
    sessions: usize,
    lines: Vec<usize>,
}

/// A session does not count that is about to be replaced. By the time that the new one is acknowledged it
/// is over.
fn crowded_list(history: &History<'_>, user: &User<'_>, cap: usize) -> Option<Crowd> {
    user.lists.iter().find_map(|line| {
        let Outcome::Listed { sessions } = &line.entry.outcome else { return None };
        let sessions = sessions.iter().map(String::as_str).collect::<HashSet<_>>();
        let sessions = sessions.difference(&history.replaced).count();
        (cap < sessions).then(|| Crowd { sessions, lines: vec![line.number] })
    })
}

/// Each session certainly lives from the answer to its sign-in until the last call that saw it alive
/// begins.
fn crowd(history: &History<'_>, user: &User<'_>, cap: usize) -> Option<Crowd> {
    let mut lives =
        user.sign_ins.iter().filter_map(|line| life(history, *line)).collect::<Vec<_>>();
    lives.sort_by_key(|life| life.from);
    let mut now = Vec::new();
    for life in lives {
        now.retain(|other: &Life| life.from < other.to);
        now.push(life);
        if cap < now.len() {
            let lines = now.iter().flat_map(|life| life.lines).collect();
            return Some(Crowd { sessions: now.len(), lines });
        }
    }
    None
}

struct Life {
    from: i64,
    to: i64,
    lines: [usize; 2],
}

fn life(history: &History<'_>, sign_in: Line<'_>) -> Option<Life> {
    let last = history.sessions.get(started(sign_in)?)?.last_sighting()?;
    let life =
        Life { from: sign_in.answered(), to: last.began(), lines: [sign_in.number, last.number] };
    (life.from < life.to).then_some(life)
}

impl<'a> History<'a> {
    /// Whether a later sign-in may have ended a session for being the oldest, by this time.
    pub(crate) fn may_be_displaced(
        &self,
        session: &Session<'a>,
        sign_in: SignIn<'a>,
        by: i64,
    ) -> bool {
        let Some(cap) = self.header.cap.filter(|cap| cap.at_cap == AtCap::EndOldest) else {
            return false;
        };
        let created = sign_in.line.began();
        let own = |line: &&Line<'_>| started(**line) == Some(session.name);
        let sign_ins = self.users.get(sign_in.user).map_or(&[][..], |user| &user.sign_ins);
        let others = sign_ins.iter().filter(|line| !own(line) && line.began() <= by);
        // The order of sign-ins is that of their times, by the clocks of the service.
        let newer =
            others.clone().filter(|line| created <= line.answered().saturating_add(self.slack()));
        let newer = newer.map(|line| (*line, self.over(*line))).collect::<Vec<_>>();
        let mut displacing = others.filter(|line| created <= line.answered());
        displacing.any(|last| {
            let may_live = |&&(line, over): &&(Line<'_>, i64)| {
                line.number != last.number
                    && line.began() <= last.answered()
                    && last.began() <= over
            };
            cap.sessions <= 1 + newer.iter().filter(may_live).count()
        })
    }

    /// By when the session of a sign-in is certainly over.
    fn over(&self, sign_in: Line<'a>) -> i64 {
        let session = started(sign_in).and_then(|name| self.sessions.get(name));
        session.and_then(|session| self.surely_over(session)).map_or(i64::MAX, Line::answered)
    }
}

fn started(sign_in: Line<'_>) -> Option<&str> {
    match &sign_in.entry.outcome {
        Outcome::Started { session } => Some(session),
        _ => None,
    }
}
