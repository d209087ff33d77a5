//! A small log for each way to break a rule, and for what looks like it and is none.
//!
//! Times are in milliseconds here, and clocks of the service agree unless a test says otherwise.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod cut_early;
mod ended_lives;
mod lists;
mod lost;
mod outlives;
mod over_the_cap;
mod reading;

use tower_curfew_checker::Outcome::Done;
use tower_curfew_checker::{
    AtCap, Call, Cap, Entry, Header, Kind, Limits, Log, Outcome, Reason, check,
};

const MS: i64 = 1_000;

/// Nothing but revocation ends a session.
fn unlimited() -> Header {
    let limits = Limits { absolute: None, idle: None };
    let (cap, touch_every, clock_tolerance) = (None, Some(MS), 0);
    Header { limits, cap, touch_every, clock_tolerance, kept_for: None }
}

fn limited(absolute: Option<i64>, idle: Option<i64>) -> Header {
    let limits = Limits { absolute: absolute.map(|ms| ms * MS), idle: idle.map(|ms| ms * MS) };
    Header { limits, ..unlimited() }
}

fn capped(sessions: usize, at_cap: AtCap) -> Header {
    Header { cap: Some(Cap { sessions, at_cap }), ..unlimited() }
}

fn entry(began: i64, ended: i64, call: Call, outcome: Outcome) -> Entry {
    let (began, ended) = (began * MS, Some(ended * MS));
    Entry { call, by: None, node: None, began, ended, outcome }
}

fn sign_in(began: i64, ended: i64, outcome: Outcome) -> Entry {
    let (user, orgs) = ("ann".into(), vec!["acme".into()]);
    entry(began, ended, Call::SignIn { user, orgs, at_most: None, replaces: None }, outcome)
}

fn started(began: i64, ended: i64, session: &str) -> Entry {
    sign_in(began, ended, Outcome::Started { session: session.into() })
}

fn request(began: i64, ended: i64, session: &str, outcome: Outcome) -> Entry {
    entry(began, ended, Call::Request { session: session.into() }, outcome)
}

fn over(reason: Reason) -> Outcome {
    Outcome::Ended { reason: Some(reason) }
}

fn sign_out(began: i64, ended: i64, session: &str, outcome: Outcome) -> Entry {
    entry(began, ended, Call::SignOut { session: session.into() }, outcome)
}

fn list(began: i64, ended: i64, user: &str, sessions: &[&str]) -> Entry {
    let sessions = sessions.iter().map(|&session| session.into()).collect();
    entry(began, ended, Call::List { user: user.into() }, Outcome::Listed { sessions })
}

fn set_policy(began: i64, ended: i64, absolute: Option<i64>, idle: Option<i64>) -> Entry {
    let [absolute, idle] = [absolute, idle].map(|ms| ms.map(|ms| ms * MS));
    entry(began, ended, Call::SetPolicy { org: Some("acme".into()), absolute, idle }, Done)
}

fn clear_policy(began: i64, ended: i64, outcome: Outcome) -> Entry {
    entry(began, ended, Call::ClearPolicy { org: Some("acme".into()) }, outcome)
}

fn revoke_user(began: i64, ended: i64, except: Option<&str>) -> Entry {
    let call = Call::RevokeUser { user: "ann".into(), except: except.map(Into::into) };
    entry(began, ended, call, Done)
}

fn found<const N: usize>(header: Header, entries: [Entry; N]) -> Vec<(Kind, Vec<usize>)> {
    let log = Log::new(header, entries.into()).unwrap();
    let violations = check(&log).violations.into_iter();
    violations.map(|violation| (violation.kind, violation.lines)).collect()
}

const NOTHING: [(Kind, Vec<usize>); 0] = [];
