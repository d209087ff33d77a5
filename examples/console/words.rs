//! Lengths, times and reasons as people say them.

use time::Duration;
use tower_curfew::clock::Timestamp;
use tower_curfew::{EndReason, OrgPolicy, Preview};

const UNITS: [(&str, i64); 4] = [("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)];

/// As in `15 minutes`, `7 days` or `1 day 12 hours`.
pub(crate) fn length(of: Duration) -> String {
    in_units(of, UNITS.len())
}

/// The same in the two largest units, rounded down: of 27 days nobody wants to know the seconds.
pub(crate) fn about(of: Duration) -> String {
    in_units(of, 2)
}

fn in_units(of: Duration, at_most: usize) -> String {
    let mut rest = of.whole_seconds();
    let largest = UNITS.iter().position(|(_, seconds)| rest >= *seconds).unwrap_or(0);
    let mut parts = Vec::new();
    for (unit, seconds) in UNITS.into_iter().skip(largest).take(at_most) {
        if rest >= seconds {
            parts.push(counted(rest / seconds, unit));
            rest %= seconds;
        }
    }
    if parts.is_empty() { "less than a second".to_owned() } else { parts.join(" ") }
}

/// As in `3 minutes ago`: in its largest unit, rounded down.
pub(crate) fn ago(passed: Duration) -> String {
    let seconds = passed.whole_seconds();
    let unit = UNITS.into_iter().find(|(unit, size)| *unit != "second" && seconds >= *size);
    unit.map_or("just now".to_owned(), |(unit, size)| {
        format!("{} ago", counted(seconds / size, unit))
    })
}

fn counted(number: i64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// To the second, as in `2026-03-01 12:00:00 UTC`.
pub(crate) fn exact(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} UTC", text.get(..19).unwrap_or(&text).replace('T', " "))
}

/// Why somebody has to sign in again, with the limit of the app that it was if that is known.
pub(crate) fn why(reason: EndReason, limit: Option<Duration>) -> String {
    match (reason, limit.map(length)) {
        (EndReason::Idle, Some(limit)) => {
            format!("Your session ended after {limit} without activity.")
        }
        (EndReason::Idle, None) => "Your session ended for lack of activity.".to_owned(),
        (EndReason::Absolute, Some(limit)) => {
            format!("Your session ended {limit} after you signed in.")
        }
        (EndReason::Absolute, None) => "You signed in too long ago.".to_owned(),
        (EndReason::Revoked, _) => "You were signed out from another device.".to_owned(),
    }
}

/// The same where it was an organization that wanted it so: neither which one nor how long it lets
/// sessions last, since strangers can read it.
pub(crate) fn why_by_org(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Idle => "You were away for longer than your organization allows.",
        EndReason::Absolute => "You signed in longer ago than your organization allows.",
        EndReason::Revoked => "Your organization has signed everybody out.",
    }
}

/// What an organization demands.
pub(crate) fn policy(policy: Option<OrgPolicy>) -> String {
    let absolute = policy.and_then(|policy| policy.absolute_limit()).map(length);
    let idle = policy.and_then(|policy| policy.idle_limit()).map(length);
    match (absolute, idle) {
        (None, None) => "Sessions last as long as the app lets them.".to_owned(),
        (Some(absolute), None) => format!("Sign-in again after {absolute}."),
        (None, Some(idle)) => format!("Sign-in again after {idle} without activity."),
        (Some(absolute), Some(idle)) => {
            format!("Sign-in again after {absolute}, or after {idle} without activity.")
        }
    }
}

/// What saving a policy would do.
pub(crate) fn preview(preview: Preview) -> String {
    let (now, sooner) = (preview.ends_now, preview.shortened);
    let now = match now {
        1 => "1 session ends now".to_owned(),
        _ => format!("{now} sessions end now"),
    };
    let sooner = format!("{sooner} {} sooner", if sooner == 1 { "ends" } else { "end" });
    if preview.at_least {
        format!("At least {now}, and at least {sooner}.")
    } else {
        format!("{now}, {sooner}.")
    }
}

#[cfg(test)]
mod tests {
    use tower_curfew::Effect;

    use super::*;

    #[test]
    fn lengths_and_times() {
        for (seconds, spelled, since) in [
            (0, "less than a second", "just now"),
            (20, "20 seconds", "just now"),
            (60, "1 minute", "1 minute ago"),
            (5415, "1 hour 30 minutes 15 seconds", "1 hour ago"),
            (604_800, "7 days", "7 days ago"),
        ] {
            let given = Duration::seconds(seconds);
            assert_eq!((length(given), ago(given)), (spelled.to_owned(), since.to_owned()));
        }
    }

    #[test]
    fn what_is_left_is_told_in_two_units() {
        let long = Duration::days(28) - Duration::SECOND;
        assert_eq!(length(long), "27 days 23 hours 59 minutes 59 seconds");
        assert_eq!(about(long), "27 days 23 hours");
        assert_eq!(about(Duration::days(28) + Duration::SECOND), "28 days");
        assert_eq!(about(Duration::minutes(5)), "5 minutes");
    }

    #[test]
    fn reasons_name_the_limit_of_the_app() {
        use EndReason::{Absolute, Idle, Revoked};
        let (quarter, week) = (Some(Duration::minutes(15)), Some(Duration::WEEK));
        for (said, expected) in [
            (why(Idle, quarter), "Your session ended after 15 minutes without activity."),
            (why(Absolute, week), "Your session ended 7 days after you signed in."),
            (why(Revoked, None), "You were signed out from another device."),
        ] {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn one_session_ends_and_two_end() {
        let said = |ends_now, shortened, at_least| {
            preview(Preview { ends_now, shortened, at_least, own_session: Effect::Unchanged })
        };
        assert_eq!(said(1, 0, false), "1 session ends now, 0 end sooner.");
        assert_eq!(said(3, 1, false), "3 sessions end now, 1 ends sooner.");
        assert_eq!(said(3, 1, true), "At least 3 sessions end now, and at least 1 ends sooner.");
    }
}
