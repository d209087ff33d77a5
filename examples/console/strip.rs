//! A strip with one cell a day: from when to when a session is known to have been used.

use maud::{Markup, html};
use time::Duration;
use tower_curfew::ActiveSession;
use tower_curfew::clock::Timestamp;

use crate::words;

const DAYS: i64 = 28;

pub(crate) const TITLE: &str = "Last 28 days";

pub(crate) const EXPLANATION: &str = "The strip has one cell for each of the last 28 days in UTC, today on the right. Cells are filled \
     from the day of the sign-in to the day of the last recorded activity, and these two days are \
     taller. The server does not record on which days in between a session was used, and it does not \
     show sessions that have ended.";

/// In units of the picture.
const CELL: i64 = 6;
const GAP: i64 = 1;
const HEIGHT: i64 = 16;

pub(crate) fn strip(one: &ActiveSession, now: Timestamp) -> Markup {
    let seen = one.last_seen_at().unwrap_or(one.created_at());
    let (first, last) = (days_ago(one.created_at(), now), days_ago(seen, now));
    let text = format!(
        "Signed in {}, last seen {}",
        words::ago(now.since(one.created_at())),
        words::ago(now.since(seen))
    );
    let width = DAYS * CELL;
    html! {
        svg.strip role="img" aria-label=(text) viewBox={ "0 0 " (width) " " (HEIGHT) }
            width=(width) height=(HEIGHT) {
            @for days in (0..DAYS).rev() {
                @let kind = cell(days, first, last);
                // What is tall can be told from the rest without colors.
                @let top = if kind == "edge" { 0 } else { 4 };
                rect class=(kind) x=((DAYS - 1 - days) * CELL) y=(top) width=(CELL - GAP)
                    height=(HEIGHT - 2 * top) {}
            }
        }
    }
}

/// What a day was to a session that began `first` days ago and was last seen `last` days ago.
fn cell(days: i64, first: i64, last: i64) -> &'static str {
    if days == first || days == last {
        "edge"
    } else if (last..first).contains(&days) {
        "between"
    } else {
        "outside"
    }
}

/// How many midnights in UTC lie between.
fn days_ago(at: Timestamp, now: Timestamp) -> i64 {
    let day = |at: Timestamp| at.unix_millis().div_euclid(Duration::DAY.whole_seconds() * 1000);
    day(now) - day(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_in_utc() {
        // It stands at midnight.
        let midnight = tower_curfew::clock::ManualClock::default();
        let midnight = tower_curfew::clock::Clock::now(&midnight);
        for (seconds, expected) in [(0, 0), (1, 1), (86_400, 1), (86_401, 2)] {
            let at = midnight - Duration::seconds(seconds);
            assert_eq!(days_ago(at, midnight), expected, "{seconds}");
            let evening = midnight + Duration::hours(23);
            assert_eq!(days_ago(at, evening), expected, "{seconds}");
        }
    }

    #[test]
    fn the_days_of_sign_in_and_last_activity_stand_out_from_those_between() {
        let cells = |first, last| {
            let all = (0..6).rev().map(|days| cell(days, first, last));
            all.map(|kind| kind.chars().next().unwrap()).collect::<String>()
        };
        assert_eq!(cells(4, 1), "oebbeo");
        assert_eq!(cells(1, 0), "ooooee");
        assert_eq!(cells(0, 0), "oooooe");
        // It began before what is shown.
        assert_eq!(cells(40, 3), "bbeooo");
    }
}
