//! The latest end that the limits leave to a session.

use crate::history::{History, Line, Session, SignIn};
use crate::policies::Policy;
use crate::report::{Kind, Violation};
use crate::{Call, Outcome};

/// What is certain of the activity of a session.
struct Activity {
    /// No later than this, but for what is pending.
    last: i64,
    line: usize,
    /// Requests and calls in its name of which nobody knows what came. Each may still count as activity,
    /// though only before the session ends.
    pending: i64,
}

/// An end that comes no later than `at`.
struct LatestEnd {
    at: i64,
    lines: Vec<usize>,
}

/// After its latest possible end a session is not seen alive any more.
pub(crate) fn outlives_a_limit(history: &History<'_>, session: &Session<'_>) -> Option<Violation> {
    let sign_in = session.sign_in?;
    let mut activity =
        Activity { last: sign_in.line.answered(), line: sign_in.line.number, pending: 0 };
    // Where a call that began later is alive with right, this one is, too; so only earlier ones count.
    for line in in_order_of_begin(session) {
        let end = sees(line, session.name)
            .then(|| history.latest_end(sign_in, &activity, line.began()))
            .flatten();
        if let Some(end) = end
            && end.at < line.began()
        {
            return Some(violation(session, line, end));
        }
        activity.note(line, session.name);
    }
    None
}

fn in_order_of_begin<'a>(session: &Session<'a>) -> Vec<Line<'a>> {
    let all = session.requests.iter().chain(&session.calls).chain(&session.lists);
    let mut all = all.copied().collect::<Vec<_>>();
    all.sort_by_key(|line| (line.began(), line.number));
    // A list in the name of a session may hold it, too.
    all.dedup_by_key(|line| line.number);
    all
}

fn sees(line: Line<'_>, session: &str) -> bool {
    match &line.entry.outcome {
        Outcome::Alive => is_request_of(line, session),
        Outcome::Listed { sessions } => sessions.iter().any(|listed| listed == session),
        _ => false,
    }
}

fn is_request_of(line: Line<'_>, name: &str) -> bool {
    matches!(&line.entry.call, Call::Request { session } if session == name)
}

fn violation(session: &Session<'_>, seen: Line<'_>, end: LatestEnd) -> Violation {
    let (kind, verb) = match seen.is_list() {
        true => (Kind::ListIsNotTheLiving, "listed"),
        false => (Kind::OutlivesALimit, "alive"),
    };
    let mut lines = end.lines;
    lines.push(seen.number);
    lines.dedup();
    Violation {
        kind,
        what: format!(
            "session {} is {verb} in line {}, {} µs after its latest possible end",
            session.name,
            seen.number,
            seen.began() - end.at
        ),
        lines,
    }
}

impl Activity {
    fn note(&mut self, line: Line<'_>, session: &str) {
        if !is_request_of(line, session) && line.entry.by.as_deref() != Some(session) {
            return;
        }
        match &line.entry.outcome {
            Outcome::Ended { .. } | Outcome::Nobody => {}
            Outcome::Unavailable if is_request_of(line, session) => {}
            Outcome::Unavailable | Outcome::Unknown => self.pending += 1,
            _ if self.last < line.answered() => {
                (self.last, self.line) = (line.answered(), line.number);
            }
            _ => {}
        }
    }
}

impl<'a> History<'a> {
    /// The latest end that is certain at this time.
    fn latest_end(&self, sign_in: SignIn<'a>, activity: &Activity, now: i64) -> Option<LatestEnd> {
        let created = sign_in.line;
        let too_old = |length: i64, set_in: usize| LatestEnd {
            at: created.answered() + length + self.slack(),
            lines: vec![set_in, created.number],
        };
        let idle = |length: i64, set_in: usize, from: i64| LatestEnd {
            at: (length + self.slack())
                .saturating_mul(activity.pending + 1)
                .saturating_add(from.max(activity.last)),
            lines: vec![set_in, created.number, activity.line],
        };
        let own = sign_in.limits;
        let mut ends = Vec::new();
        ends.extend(own.absolute.map(|length| too_old(length, 1)));
        ends.extend(own.idle.map(|length| idle(length, 1, activity.last)));
        // A policy begins by a clock of the service.
        let known =
            |policy: &&Policy| policy.done.checked_add(self.slack()).is_some_and(|done| done < now);
        for policy in self.policies_of(sign_in).filter(known) {
            if policy.surely_binds(created.answered()) {
                ends.extend(policy.limits.absolute.map(|length| too_old(length, policy.line)));
            }
            // It binds those whose last activity came before it was replaced, and clocks order the two.
            let since = if activity.pending == 0 { activity.last + self.slack() } else { now };
            if policy.surely_binds(since) {
                ends.extend(
                    policy.limits.idle.map(|length| idle(length, policy.line, policy.done)),
                );
            }
        }
        ends.into_iter().min_by_key(|end| end.at)
    }
}
