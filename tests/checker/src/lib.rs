//! Judges, by a log of calls and answers alone, whether sessions ended when they should.
//!
//! It knows the rules of sessions and no implementation of them, so it can be run over the log of any
//! service. The log tells what callers saw: which call they made, when it began, when its answer was
//! there, and what the answer was. From that the checker decides what can not have been: a session that
//! was ended and lives, one that was lost, one that ended without a reason. See [`Kind`] for all of it.
//!
//! Calls that overlap may have taken effect in either order, so only calls that do not overlap are
//! compared. Where the log leaves several histories possible, one that follows the rules is enough.
//!
//! # The log
//!
//! JSON lines: a [`Header`], then an [`Entry`] for each call, in any order. All times and lengths are
//! whole microseconds. `began` and `ended` are read from *one* clock, that of whoever made the calls;
//! only their differences matter. Clocks of the service may be apart from each other, by no more than the
//! header says.
//!
//! ```
//! let log = r#"{"limits": {"absolute": 60000000, "idle": null}, "cap": null, "touch_every": null, "clock_tolerance": 0}
//! {"call": {"sign_in": {"user": "ann", "orgs": ["acme"]}}, "began": 0, "ended": 900, "outcome": {"started": {"session": "s1"}}}
//! {"call": {"request": {"session": "s1"}}, "began": 1000, "ended": 1400, "outcome": "alive"}
//! {"call": {"list": {"user": "ann"}}, "began": 1500, "ended": 1900, "outcome": {"listed": {"sessions": ["s1"]}}}
//! {"call": {"set_policy": {"org": "acme", "absolute": 30000000, "idle": 5000000}}, "began": 2000, "ended": 2600, "outcome": "done"}
//! {"call": {"clear_policy": {"org": "acme"}}, "began": 2700, "ended": null, "outcome": "unknown"}
//! {"call": {"revoke_org": {"org": "acme"}}, "by": "s1", "node": "b", "began": 3000, "ended": 3500, "outcome": "done"}
//! {"call": {"request": {"session": "s1"}}, "began": 3600, "ended": 3900, "outcome": "alive"}
//! "#;
//! let log = tower_curfew_checker::Log::read(log)?;
//! let report = tower_curfew_checker::check(&log);
//! assert_eq!(report.violations.len(), 1);
//! assert_eq!(report.violations[0].kind, tower_curfew_checker::Kind::EndedLives);
//! assert_eq!(report.violations[0].lines, [2, 7, 8]);
//! # Ok::<_, tower_curfew_checker::LogError>(())
//! ```
//!
//! The other calls are `sign_out` and `revoke_session` (of a `session`), `revoke_user` (of a `user`,
//! `except` a session or none) and `"revoke_everyone"`; an `org` of `null` in `set_policy` and
//! `clear_policy` means everyone. See [`Call`] and [`Outcome`].
//!
//! # Over a log of your own
//!
//! Translate your audit log, or what a load generator saw, into that form, and run
//!
//! ```sh
//! cargo run -p tower-curfew-checker -- LOG.jsonl
//! ```
//!
//! It prints what the log holds, and each violation with the lines that prove it. It exits with 1 if there
//! are any, and with 2 if the log cannot be read. For the verdict to hold,
//!
//! - name each session with something that opens nothing, not with its secret;
//! - begin with an empty store, and leave out no call that may have ended, started or bound a session. One
//!   without an answer is in the log, too, as `unknown`;
//! - log lists that show one moment, not pages that were read one after the other;
//! - log as `request` only those that count as activity, or set `touch_every` to `null`.
//!
//! # What it leaves undecided
//!
//! - A sign-in that was refused although there was room under the cap.
//! - Which limit or which end came first, if several may have: any reason that can have struck is accepted.
//! - The idle end after requests without an answer, and after calls in the name of the session that may or
//!   may not have taken effect. Each may have been activity up to the moment at which the session would
//!   have ended, so each puts off what is certain by one length of the limit.
//! - A policy that some other change may have replaced: it binds for certain only if it was in force when
//!   the session began, or later.
//! - The hour of grace that a new idle limit grants to activity of before: it may begin at once, and it
//!   must at the latest when it was set.
//! - Names in a list whose sign-in has no answer in the log: they count under the cap, and no more.

mod cap;
mod check;
mod early;
mod ends;
mod entry;
mod history;
mod limits;
mod lists;
mod log;
mod policies;
mod report;

pub use check::check;
pub use entry::{AtCap, Call, Cap, Entry, Header, Limits, Outcome, Reason};
pub use log::{Log, LogError};
pub use report::{Counts, Kind, Report, Violation};
