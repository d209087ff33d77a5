//! Calls that wait for a server: how long one takes alone, and how many go through while many are under
//! way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use cpu_time::ProcessTime;
use tokio::runtime::Runtime;

use crate::report::short;
use crate::rounds::{interleave, median};
use crate::settings::Settings;

type Call = Arc<dyn Fn(usize) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub struct Case {
    pub name: &'static str,
    call: Call,
}

/// A call, which is told the number of its caller.
pub fn case<F>(name: &'static str, call: impl Fn(usize) -> F + Send + Sync + 'static) -> Case
where
    F: Future<Output = ()> + Send + 'static,
{
    Case { name, call: Arc::new(move |caller| Box::pin(call(caller))) }
}

/// What one turn of a case took.
#[derive(Clone, Copy)]
pub struct Turn {
    /// Seconds of a call while no other is under way: the median.
    pub alone: f64,
    /// Calls a second while so many are under way.
    pub rate: f64,
    /// Seconds of this process' processors for each of those.
    pub cpu: f64,
}

pub const UNDER_WAY: usize = 64;

impl Turn {
    async fn of(case: &Case, counts: Counts) -> Self {
        let mut times = Vec::with_capacity(counts.alone);
        for _ in 0..counts.alone {
            let began = Instant::now();
            (case.call)(0).await;
            times.push(began.elapsed().as_secs_f64());
        }
        let (began, cpu) = (Instant::now(), ProcessTime::now());
        let callers = (0..UNDER_WAY).map(|caller| {
            let call = case.call.clone();
            tokio::spawn(async move {
                for _ in 0..counts.each {
                    call(caller).await;
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.expect("no call panics");
        }
        let calls = (UNDER_WAY * counts.each) as f64;
        let (rate, cpu) = (calls / began.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
        Self { alone: median(times), rate, cpu: cpu / calls }
    }
}

#[derive(Clone, Copy)]
struct Counts {
    rounds: usize,
    alone: usize,
    /// For each of those that are under way.
    each: usize,
}

/// The turns of each case, which take turns.
pub struct Turns(pub Vec<(&'static str, Vec<Turn>)>);

impl Turns {
    pub fn of(settings: &Settings, runtime: &Runtime, mut cases: Vec<Case>) -> Self {
        let counts = Counts {
            rounds: settings.count(15, 2),
            alone: settings.count(1000, 20),
            each: settings.count(200, 5),
        };
        let turns =
            interleave(counts.rounds, &mut cases, |case| runtime.block_on(Turn::of(case, counts)));
        Self(cases.iter().map(|case| case.name).zip(turns).collect())
    }

    /// The median of a part of the turns of a case.
    pub fn of_case(&self, name: &str, part: fn(&Turn) -> f64) -> f64 {
        median(self.named(name).iter().map(part))
    }

    /// By how much one is the other, turn by turn.
    pub fn ratio(&self, one: &str, other: &str, part: fn(&Turn) -> f64) -> f64 {
        crate::rounds::ratio(self.named(one).iter().map(part), self.named(other).iter().map(part))
    }

    fn named(&self, name: &str) -> &[Turn] {
        let found = self.0.iter().find(|(case, _)| *case == name);
        &found.expect("the case was measured").1
    }

    /// A row for each case, with what it is of the one named so.
    pub fn rows(&self, reference: &str) -> Vec<Vec<String>> {
        let row = |name: &'static str| {
            let part = |part: fn(&Turn) -> f64| self.of_case(name, part);
            let of = |part: fn(&Turn) -> f64| format!("{:.2}", self.ratio(name, reference, part));
            vec![
                name.to_owned(),
                format!("{:.1}", part(|turn| turn.alone) * 1e6),
                of(|turn| turn.alone),
                short(part(|turn| turn.rate)),
                of(|turn| turn.rate),
                format!("{:.2}", part(|turn| turn.cpu) * 1e6),
                of(|turn| turn.cpu),
            ]
        };
        self.0.iter().map(|(name, _)| row(name)).collect()
    }
}

pub const COLUMNS: [&str; 6] =
    ["µs alone", "ratio", "a second, 64 under way", "ratio", "µs of CPU each", "ratio"];
