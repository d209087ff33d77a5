//! Counters and timers for the app's recorder (feature `metrics`).
//!
//! No label names a user, an organization, a session or an address: each label has a few fixed
//! values. Without the feature, these functions do nothing.
#![cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "nobody counts"))]

use time::Duration;

use crate::clock::Stopwatch;

/// The `tracing` target of spans of store calls.
pub(crate) const STORE: &str = "tower_curfew::store";

/// Describes each metric to the recorder.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    {
        use ::metrics::{Unit, describe_counter, describe_histogram};

        describe_counter!(
            "tower_curfew_requests_total",
            "Requests by what their session was found to be: live, ended, anonymous, unavailable"
        );
        describe_counter!(
            "tower_curfew_refusals_total",
            "Credentials that did not sign in, by reason"
        );
        describe_counter!(
            "tower_curfew_activity_recorded_total",
            "Requests whose activity was recorded"
        );
        describe_counter!(
            "tower_curfew_cookies_refreshed_total",
            "Session cookies that were signed anew"
        );
        describe_counter!("tower_curfew_purged_total", "Records that were deleted when due");
        describe_counter!(
            "tower_curfew_store_calls_total",
            "Calls of the session store, by outcome: done, failed, timed_out"
        );
        describe_histogram!(
            "tower_curfew_store_call_seconds",
            Unit::Seconds,
            "How long a call of the session store took"
        );
        describe_histogram!(
            "tower_curfew_rules_lag_seconds",
            Unit::Seconds,
            "How old a change of rules was when this node learned of it"
        );
    }
}

/// Counts a request, by the state of its session.
pub(crate) fn request(verdict: &'static str) {
    #[cfg(feature = "metrics")]
    ::metrics::counter!("tower_curfew_requests_total", "verdict" => verdict).increment(1);
}

/// Counts a request whose credentials do not sign in.
pub(crate) fn refusal(reason: &'static str) {
    #[cfg(feature = "metrics")]
    ::metrics::counter!("tower_curfew_refusals_total", "reason" => reason).increment(1);
}

pub(crate) fn activity_recorded() {
    #[cfg(feature = "metrics")]
    ::metrics::counter!("tower_curfew_activity_recorded_total").increment(1);
}

pub(crate) fn cookie_refreshed() {
    #[cfg(feature = "metrics")]
    ::metrics::counter!("tower_curfew_cookies_refreshed_total").increment(1);
}

pub(crate) fn purged(records: u64) {
    #[cfg(feature = "metrics")]
    ::metrics::counter!("tower_curfew_purged_total").increment(records);
}

/// Records how old a change of rules was when this node learned of it.
pub(crate) fn rules_lag(lag: Duration) {
    #[cfg(feature = "metrics")]
    ::metrics::histogram!("tower_curfew_rules_lag_seconds").record(lag.as_seconds_f64());
}

/// Starts only with the feature: reading the clock adds to the cost of a request.
pub(crate) fn timer() -> Option<Stopwatch> {
    cfg!(feature = "metrics").then(Stopwatch::start)
}

/// Records a store call, which took as long as the timer ran.
pub(crate) fn store_call(call: &'static str, outcome: &'static str, timer: Option<Stopwatch>) {
    #[cfg(feature = "metrics")]
    {
        let labels = [("call", call), ("outcome", outcome)];
        ::metrics::counter!("tower_curfew_store_calls_total", &labels).increment(1);
        if let Some(timer) = timer {
            ::metrics::histogram!("tower_curfew_store_call_seconds", "call" => call)
                .record(timer.elapsed().as_seconds_f64());
        }
    }
}

/// Counts a load by whether the cache answered it.
#[cfg(feature = "near")]
pub(crate) fn near(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    ::metrics::counter!("tower_curfew_near_loads_total", "outcome" => outcome).increment(1);
}

/// Records for how long the cache may have answered with outdated data.
#[cfg(feature = "near")]
pub(crate) fn near_staleness(stale: Duration) {
    #[cfg(feature = "metrics")]
    ::metrics::histogram!("tower_curfew_near_staleness_seconds").record(stale.as_seconds_f64());
}
