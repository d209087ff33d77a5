//! When the sessions of an organization end, as it is and with another policy, counted for a picture.
//!
//! [`Curfew::preview`](tower_curfew::Curfew::preview) says how many sessions end now and how many end
//! sooner, and not when. So this computes it from the list, by the rules that the crate documents. A
//! test compares it with what then happens.

use time::Duration;
use tower_curfew::clock::Timestamp;
use tower_curfew::{ActiveSession, OrgPolicy};

/// When one session ends if nobody uses it again; `None` is never.
pub(crate) struct End {
    pub(crate) before: Option<Timestamp>,
    pub(crate) after: Option<Timestamp>,
}

impl End {
    /// With a policy that is saved `now`, where the server records activity once in `refresh`.
    pub(crate) fn of(
        one: &ActiveSession,
        policy: OrgPolicy,
        now: Timestamp,
        refresh: Duration,
    ) -> Self {
        let before = one.ends_at();
        let seen = one.last_seen_at().unwrap_or(one.created_at());
        // The user may have been at work for so long without a record of it (rule R8).
        let idle_from = seen.max(now.min(seen + refresh));
        let absolute = policy.absolute_limit().map(|limit| one.created_at() + limit);
        let idle = policy.idle_limit().map(|limit| idle_from + limit);
        // A longer policy lengthens no living session (rule R15).
        let after = [before, absolute, idle].into_iter().flatten().min();
        Self { before, after }
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
        let known = ends.iter().flat_map(|end| [end.before, end.after]).flatten();
        let longest = known.map(|at| at.since(now).whole_milliseconds()).max().unwrap_or(0);
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
            for (row, at) in [(&mut before, end.before), (&mut after, end.after)] {
                match at {
                    None => row.never += 1,
                    Some(at) if at <= now => row.at_once += 1,
                    Some(at) => {
                        let column = (at.since(now).whole_milliseconds() - 1) / milliseconds;
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
    use axum::Router;
    use axum::body::Body;
    use axum::http::Request;
    use axum::http::header::COOKIE;
    use axum::routing::get;
    use tower::ServiceExt as _;
    use tower_curfew::clock::{Clock as _, ManualClock};
    use tower_curfew::store::MemoryStore;
    use tower_curfew::{ClientInfo, Curfew, Keyring, Limits, NewSession, SetCookie};

    use super::*;

    fn counted(lengths: &[(Option<i64>, Option<i64>)]) -> Ends {
        let now = ManualClock::default().now();
        let at = |seconds: i64| now + Duration::seconds(seconds);
        let ends = lengths
            .iter()
            .map(|(before, after)| End { before: before.map(at), after: after.map(at) });
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

    #[tokio::test]
    async fn the_picture_shows_what_then_happens_to_each_session() {
        for policy in [
            OrgPolicy::absolute(Duration::hours(8)),
            OrgPolicy::idle(Duration::days(1)),
            OrgPolicy::idle(Duration::hours(30)),
            OrgPolicy::absolute(Duration::days(7)).and_idle(Duration::days(2)),
            OrgPolicy::absolute(Duration::days(300)),
        ] {
            let clock = ManualClock::default();
            let curfew = handle(&clock);
            // Some of them are active, or begin, under an earlier policy.
            let mut cookies = Vec::new();
            for n in 0..60 {
                let new = NewSession::for_user(format!("user-{n}")).orgs(["acme"]);
                cookies.push(curfew.start(new, &ClientInfo::for_tests()).await.unwrap());
                clock.advance(Duration::minutes(47 * (n % 13)));
                if n % 3 == 0 {
                    visit(&curfew, &cookies[n as usize / 2]).await;
                }
                if n == 40 {
                    let before = OrgPolicy::absolute(Duration::days(9)).and_idle(Duration::days(3));
                    curfew.operator("tests").set_policy("acme", before).await.unwrap();
                }
            }
            let before = curfew.list_org("acme").await.unwrap();
            let foretold = before.iter().map(|one| {
                let end = End::of(one, policy, clock.now(), Duration::HOUR);
                (one.id(), end.after.filter(|at| *at > clock.now()))
            });
            let foretold = foretold.collect::<Vec<_>>();
            curfew.operator("tests").set_policy("acme", policy).await.unwrap();
            let after = curfew.list_org("acme").await.unwrap();
            for (id, end) in &foretold {
                let found = after.iter().find(|one| one.id() == *id).map(|one| one.ends_at());
                assert_eq!(found, end.map(Some), "{policy:?}");
            }
            assert!(foretold.len() > 10 && !after.is_empty(), "{policy:?}");
        }
    }

    async fn visit(curfew: &Curfew, cookie: &SetCookie) {
        let home = Router::new().route("/", get(async || ())).layer(curfew.layer());
        let request = Request::get("/").header(COOKIE, cookie.request_header());
        home.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    }

    fn handle(clock: &ManualClock) -> Curfew {
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let builder = Curfew::builder(MemoryStore::new(), keyring).clock(clock.clone());
        builder.limits(Limits::idle(Duration::days(28))).build().unwrap()
    }
}
