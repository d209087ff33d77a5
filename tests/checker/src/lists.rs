//! Lists of the sessions of a user.

use crate::Outcome;
use crate::history::{History, Line, User};
use crate::report::{Kind, Violation};

/// A list holds what lived throughout, and nothing of another user. (That it holds what has ended is
/// for `ends` and `limits` to say.)
pub(crate) fn list_is_not_the_living(
    history: &History<'_>,
    name: &str,
    user: &User<'_>,
) -> Vec<Violation> {
    let missed = user.sign_ins.iter().filter_map(|line| missed(history, user, *line));
    let foreign = user.lists.iter().find_map(|line| foreign(history, name, *line));
    missed.chain(foreign).collect()
}

fn missed(history: &History<'_>, user: &User<'_>, sign_in: Line<'_>) -> Option<Violation> {
    let Outcome::Started { session } = &sign_in.entry.outcome else { return None };
    let seen = history.sessions.get(session.as_str())?.last_sighting()?;
    let lives =
        |list: &&Line<'_>| sign_in.answered() < list.began() && list.answered() < seen.began();
    let list = user.lists.iter().filter(lives).find(|list| !listed(**list).contains(session))?;
    Some(Violation {
        kind: Kind::ListIsNotTheLiving,
        what: format!(
            "session {session} began in line {}, is alive in line {}, and not listed in between",
            sign_in.number, seen.number
        ),
        lines: vec![sign_in.number, list.number, seen.number],
    })
}

fn foreign(history: &History<'_>, user: &str, list: Line<'_>) -> Option<Violation> {
    listed(list).iter().find_map(|name| {
        let sign_in = history.sessions.get(name.as_str())?.sign_in?;
        (sign_in.user != user).then(|| Violation {
            kind: Kind::ListIsNotTheLiving,
            what: format!("session {name} is not one of user {user}, whose list holds it"),
            lines: vec![sign_in.line.number, list.number],
        })
    })
}

fn listed<'a>(list: Line<'a>) -> &'a [String] {
    match &list.entry.outcome {
        Outcome::Listed { sessions } => sessions,
        _ => &[],
    }
}
