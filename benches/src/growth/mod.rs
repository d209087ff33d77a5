//! What calls take as sessions grow in number: a curve for each kind of call, over each store. All calls
//! are alone. Every user has ten sessions, and every session is of one of a thousand organizations; a
//! tenth of the records is due to be deleted.

mod calls;
mod held;
mod stores;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use self::calls::Figures;
use crate::child;
use crate::report::{Curve, Report, short};
use crate::settings::{Server, Settings};

pub fn run(settings: &Settings, report: &mut Report) {
    settings.tell_what_is_left_out(report, &[Server::Postgres, Server::Redis]);
    let sizes = match (settings.quick, settings.huge) {
        (true, _) => vec![10_000, 20_000],
        (false, false) => vec![10_000, 100_000, 1_000_000],
        (false, true) => vec![10_000, 100_000, 1_000_000, 10_000_000],
    };
    let small = &sizes[..sizes.len().min(3)];
    let growth = Growth { settings, runtime: runtime() };
    let memory = growth.over("Memory", &sizes, stores::memory);
    tell(report, &memory);
    let last = sizes[sizes.len() - 1];
    tell_of_threads(report, &memory, &held_without_fast_bins(settings, last));
    tell(report, &growth.over("SQLite", small, stores::sqlite));
    if let Some(url) = &settings.postgres {
        let over = async |size, counts| stores::postgres(url, size, counts).await;
        tell(report, &growth.over("PostgreSQL", &sizes, over));
    }
    if let Some(url) = &settings.redis {
        let over = async |size, counts| stores::redis(url, size, counts).await;
        tell(report, &growth.over("Redis", small, over));
    }
}

/// On which nobody waits for more than one poll of anybody else. (See [`held`])
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().event_interval(1).build().expect("a runtime")
}

struct Growth<'a> {
    settings: &'a Settings,
    runtime: Runtime,
}

/// How often each kind of call is made.
#[derive(Clone, Copy)]
pub struct Counts {
    /// Of calls that concern one session or one user.
    pub small: u64,
    /// Of calls that concern many.
    pub large: u64,
}

/// What was measured over a store, by how many sessions there were.
struct Measured {
    store: &'static str,
    sizes: Vec<(u64, Figures)>,
}

impl Growth<'_> {
    fn over(
        &self,
        store: &'static str,
        sizes: &[u64],
        measure: impl AsyncFn(u64, Counts) -> Figures,
    ) -> Measured {
        let count = |usual, quick| self.settings.count(usual, quick) as u64;
        let counts = Counts { small: count(300, 10), large: count(20, 2) };
        let of = |size: &u64| (*size, self.runtime.block_on(measure(*size, counts)));
        Measured { store, sizes: sizes.iter().map(of).collect() }
    }
}

fn columns(sizes: &[(u64, Figures)], first: &str) -> Vec<String> {
    let sessions = sizes.iter().map(|(size, _)| format!("{} sessions", short(*size as f64)));
    [first.to_owned()].into_iter().chain(sessions).collect()
}

fn tell(report: &mut Report, Measured { store, sizes }: &Measured) {
    let calls = &sizes[0].1;
    let row = |at: usize| {
        let times = sizes.iter().map(|(_, figures)| figures[at].alone.as_secs_f64() * 1e6);
        let times = Vec::from_iter(times);
        let grown = times[times.len() - 1] / times[0];
        let cells = times.iter().map(|time| short(*time));
        let name = [calls[at].name.to_owned()];
        Vec::from_iter(name.into_iter().chain(cells).chain([format!("{grown:.2}")]))
    };
    report.heading(store);
    let mut columns = columns(sizes, "µs a call");
    columns.push("largest, of smallest".to_owned());
    let columns = Vec::from_iter(columns.iter().map(String::as_str));
    report.table(&columns, &Vec::from_iter((0..calls.len()).map(row)));
    let curve = |at: usize| -> Curve {
        let time = |figures: &Figures| figures[at].alone.as_secs_f64() * 1e6;
        let points = sizes.iter().map(|(size, figures)| (*size as f64, time(figures)));
        (calls[at].name.to_owned(), points.collect())
    };
    let curves = Vec::from_iter((0..calls.len()).map(curve));
    let title = format!("{store}: microseconds a call, by how many sessions there are");
    report.curves(&title, ("sessions", "µs"), &curves);
}

/// For how long calls over memory hold the thread where the allocator of glibc keeps no fast bins: what
/// is in these it merges in one go, on the thread of whoever frees something.
fn held_without_fast_bins(settings: &Settings, sessions: u64) -> Vec<String> {
    let quick = if settings.quick { "--quick" } else { "--whole" };
    let keeps_none = ("GLIBC_TUNABLES", "glibc.malloc.mxfast=0");
    let printed = child::output_with(&["growth", &sessions.to_string(), quick], &[keeps_none]);
    printed.lines().map(str::to_owned).collect()
}

/// What the child does: it prints a line for each call.
pub fn measure_and_tell(arguments: &[String]) {
    let [sessions, quick] = arguments else { panic!("how many sessions, and how often?") };
    let (settings, _) = Settings::parse(Vec::new()).expect("there is nothing to refuse");
    let settings = Settings { quick: quick == "--quick", ..settings };
    let growth = Growth { settings: &settings, runtime: runtime() };
    let sessions = sessions.parse().expect("a number");
    let memory = growth.over("Memory", &[sessions], stores::memory);
    for call in &memory.sizes[0].1 {
        println!("{}", micros(call.held));
    }
}

fn micros(time: Duration) -> String {
    short(time.as_secs_f64() * 1e6)
}

/// Only memory does its work on the threads of the executor.
fn tell_of_threads(
    report: &mut Report,
    Measured { sizes, .. }: &Measured,
    without_fast_bins: &[String],
) {
    let calls = &sizes[0].1;
    let row = |at: usize| {
        let cells = sizes.iter().map(|(_, figures)| micros(figures[at].held));
        let name = [calls[at].name.to_owned()].into_iter();
        Vec::from_iter(name.chain(cells).chain([without_fast_bins[at].clone()]))
    };
    let mut columns = columns(sizes, "µs of CPU");
    columns.push("the most, without fast bins".to_owned());
    let columns = Vec::from_iter(columns.iter().map(String::as_str));
    report.table(&columns, &Vec::from_iter((0..calls.len()).map(row)));
    report.text(
        "The longest time for which a call over memory has held the thread of the executor, by the \
         thread's processor time. The allocator of glibc merges the pieces in its fast bins in one go, on \
         a thread that frees something. In the last column it keeps none: `GLIBC_TUNABLES=glibc.malloc.mxfast=0`.",
    );
}
