//! When the sessions of an organization end, as it is and with another policy, counted for a picture.

use time::Duration;
use tower_curfew::ActiveSession;
use tower_curfew::clock::Timestamp;

/// When one session ends if nobody uses it again.
pub(crate) struct End {
    pub(crate) before: When,
    pub(crate) after: When,
}

#[derive(Clone, Copy)]
pub(crate) enum When {
    AtOnce,
    At(Timestamp),
    Never,
}

impl End {
    /// Of a session before and after a change, as [`preview_list`](tower_curfew::Curfew::preview_list) has
    /// them.
    pub(crate) fn of((before, after): &(ActiveSession, Option<ActiveSession>)) -> Self {
        let when = |one: &ActiveSession| one.ends_at().map_or(When::Never, When::At);
        Self { before: when(before), after: after.as_ref().map_or(When::AtOnce, when) }
    }
}

/// How many sessions end in which column of time.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) at_once: usize,
    /// One number for each [`step`](Ends::step).
    pub(crate) within: Vec<usize>,
    pub(crate) never: usize,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Ends {
    pub(crate) step: Duration,
    pub(crate) before: Row,
    pub(crate) after: Row,
}

/// More columns cannot be told apart on a narrow screen.
const MAX_COLUMNS: i64 = 8;

/// What people count in, in seconds.
const STEPS: [i64; 18] = [
    1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400, 172_800, 345_600,
    604_800, 1_209_600, 2_592_000,
];

impl Ends {
    pub(crate) fn counted(ends: &[End], now: Timestamp) -> Self {
        let known =
            ends.iter().flat_map(|end| [end.before, end.after]).filter_map(|when| match when {
                When::At(at) => Some(at.since(now).whole_milliseconds()),
                When::AtOnce | When::Never => None,
            });
        let longest = known.max().unwrap_or(0);
        let fits = |step: &i64| longest <= i128::from(step * 1_000 * MAX_COLUMNS);
        let whole_days = |longest: i128| {
            let days = longest / 86_400_000 / i128::from(MAX_COLUMNS) + 1;
            i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(86_400)
        };
        let step = STEPS.into_iter().find(fits).unwrap_or_else(|| whole_days(longest));
        let milliseconds = i128::from(step) * 1_000;
        let columns = usize::try_from((longest - 1).max(0) / milliseconds).unwrap_or(0) + 1;

        let mut before = Row { at_once: 0, within: vec![0; columns], never: 0 };
        let mut after = Row { at_once: 0, within: vec![0; columns], never: 0 };
        for end in ends {
            for (row, when) in [(&mut before, end.before), (&mut after, end.after)] {
                match when {
                    When::Never => row.never += 1,
                    When::AtOnce => row.at_once += 1,
                    When::At(at) => {
                        let column = (at.since(now).whole_milliseconds() - 1).max(0) / milliseconds;
                        row.within[usize::try_from(column).unwrap_or(0)] += 1;
                    }
                }
            }
        }
        Self { step: Duration::seconds(step), before, after }
    }

    /// The length up to the end of a column.
    pub(crate) fn until(&self, column: usize) -> Duration {
        let columns = i32::try_from(column).unwrap_or(i32::MAX).saturating_add(1);
        self.step.checked_mul(columns).unwrap_or(Duration::MAX)
    }
}

impl Row {
    /// The highest number of a column.
    pub(crate) fn highest(&self) -> usize {
        self.within.iter().copied().chain([self.at_once, self.never]).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use tower_curfew::clock::{Clock as _, ManualClock};

    use super::*;

    /// In seconds from now: zero is at once, and `None` is never.
    fn counted(lengths: &[(Option<i64>, Option<i64>)]) -> Ends {
        let now = ManualClock::default().now();
        let when = |seconds: Option<i64>| match seconds {
            None => When::Never,
            Some(0) => When::AtOnce,
            Some(seconds) => When::At(now + Duration::seconds(seconds)),
        };
        let ends = lengths
            .iter()
            .map(|(before, after)| End { before: when(*before), after: when(*after) });
        Ends::counted(&ends.collect::<Vec<_>>(), now)
    }

    fn sessions(row: &Row) -> usize {
        row.at_once + row.within.iter().sum::<usize>() + row.never
    }

    #[test]
    fn each_session_is_in_one_column_before_and_in_one_after() {
        const DAY: i64 = 86_400;
        let ends = counted(&[
            (Some(28 * DAY), Some(7 * DAY)),
            (Some(4 * DAY), Some(4 * DAY)),
            (Some(4 * DAY + 1), Some(0)),
            (None, Some(1)),
            (None, None),
        ]);
        assert_eq!(ends.step, Duration::days(4));
        let before = Row { at_once: 0, within: vec![1, 1, 0, 0, 0, 0, 1], never: 2 };
        let after = Row { at_once: 1, within: vec![2, 1, 0, 0, 0, 0, 0], never: 1 };
        assert_eq!((&ends.before, &ends.after), (&before, &after));
        assert_eq!((sessions(&after), after.highest()), (5, 2));
        assert_eq!(ends.until(6), Duration::days(28));
    }

    #[test]
    fn columns_are_of_lengths_that_people_count_in_and_no_more_than_8() {
        for (longest, step, columns) in [
            (0, 1, 1),
            (8, 1, 8),
            (20, 5, 4),
            (900, 300, 3),
            (3_600 * 24 * 7, 86_400, 7),
            (3_600 * 24 * 400, 51 * 86_400, 8),
        ] {
            let ends = counted(&[(Some(longest), Some(longest))]);
            let found = (ends.step.whole_seconds(), ends.before.within.len());
            assert_eq!(found, (step, columns), "{longest}");
            assert_eq!(sessions(&ends.before), 1, "{longest}");
        }
        assert_eq!(sessions(&counted(&[]).before), 0);
        assert_eq!(counted(&[(None, None)]).before.never, 1);
    }
}
