//! A run: servers, nodes, people and faults, and then the verdict.

mod faults;
mod front;
mod log;
mod nodes;
mod people;
mod report;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tower_curfew_checker::{Report, check};

use self::faults::{Faults, NodeFault};
use self::front::Front;
use self::log::Calls;
use self::nodes::Nodes;
use self::people::People;
use self::report::Summary;
use crate::chance::Chance;
use crate::plant::Plant;
use crate::servers::process::{IS_INTERRUPTED, pause};
use crate::servers::{Servers, Store};

#[derive(Args)]
pub(crate) struct Options {
    /// Which store the nodes share.
    #[arg(long)]
    store: Store,
    /// For how many seconds people are at work, at least.
    #[arg(long = "for", default_value_t = 60)]
    seconds: u64,
    /// What chance begins with. Each run prints its own.
    #[arg(long)]
    seed: Option<u64>,
    /// Breaks the store on purpose. Then the run ends when the checker has found it, and passes.
    #[arg(long)]
    plant: Option<Plant>,
    /// Where the log of all calls is to be written.
    #[arg(long)]
    log: Option<PathBuf>,
}

/// People are at work for so long before anything goes wrong.
const WARM_UP: Duration = Duration::from_secs(4);

/// So long it is quiet after each fault.
const QUIET: Duration = Duration::from_millis(1500);

/// So many violations are printed. The checker shows all of a log.
const SHOWN: usize = 20;

/// Says whether it passed.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let Options { store, plant, .. } = *options;
    let seed = options.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let mut chance = Chance::new(seed);
    // Programs that are started go with the thread that has started them: this one.
    let runtime = Runtime::new()?;
    runtime.spawn(heed_signals());
    say(&format!("{store}, {} nodes, --seed {seed}", store.nodes()));
    let servers = store.start(runtime.handle(), &mut chance, plant)?;
    let nodes = Nodes::start(store, &servers.address(), plant, &mut chance)?;
    let faults = Faults::of(&*servers, Chance::new(chance.next()));
    let mut site = Site { calls: Calls::new(), nodes, servers, faults, hung: Vec::new() };
    let people = People::begin(&runtime, &site.front()?, &mut chance);

    pause(WARM_UP)?;
    let before = site.nodes.memory();
    let ends_at = Instant::now() + Duration::from_secs(options.seconds);
    let broke = match plant {
        None => site.break_until(ends_at),
        Some(plant) => site.find(plant, ends_at),
    };
    let memory = [before, site.nodes.memory()];
    let went = people.go_home(&runtime);
    let Site { calls, nodes, servers, faults, hung } = site;
    drop((nodes, servers));

    let log = calls.log()?;
    if let Some(path) = &options.log {
        let written = std::fs::write(path, log::lines(&log)?);
        written.with_context(|| format!("the log cannot be written to {}", path.display()))?;
    }
    broke?;
    went?;
    let report = check(&log);
    let seconds = calls.now() / 1_000_000;
    let (log, report, faults) = (&log, &report, &faults);
    let summary = Summary { store, seconds, log, report, faults, hung: &hung, memory };
    say(&summary.to_string());
    Ok(match plant {
        None => is_clean(&summary),
        Some(plant) => is_found(plant, report),
    })
}

/// All that runs, and what goes wrong with it.
struct Site {
    calls: Calls,
    nodes: Nodes,
    servers: Box<dyn Servers>,
    faults: Faults,
    /// When a node hung, from and to.
    hung: Vec<(i64, i64)>,
}

impl Site {
    fn front(&self) -> reqwest::Result<Front> {
        Front::new(self.nodes.port, self.calls.clone())
    }

    /// One fault after the other, each at least once.
    fn break_until(&mut self, ends_at: Instant) -> anyhow::Result<()> {
        while Instant::now() < ends_at || self.faults.missing().is_some() {
            self.break_once()?;
        }
        Ok(())
    }

    /// The same, until the checker has found what is planted.
    fn find(&mut self, plant: Plant, ends_at: Instant) -> anyhow::Result<()> {
        if plant == Plant::TwoPrimaries {
            let address = self.servers.second_primary()?;
            self.nodes.mislead(self.nodes.count() - 1, address)?;
        }
        let mut is_found = false;
        while !is_found && Instant::now() < ends_at {
            self.break_once()?;
            is_found = !check(&self.calls.log()?).violations.is_empty();
        }
        Ok(())
    }

    fn break_once(&mut self) -> anyhow::Result<()> {
        let (trouble, began) = (self.faults.draw(), self.calls.now());
        say(&format!("{:>6} s  {trouble}", began / 1_000_000));
        let struck = self.faults.strike(trouble, &mut self.nodes, &mut *self.servers);
        struck.with_context(|| format!("while {trouble}"))?;
        if trouble.node == Some(NodeFault::Hangs) {
            self.hung.push((began, self.calls.now()));
        }
        ensure!(self.nodes.all_run(), "a node or the proxy has ended by itself after {trouble}");
        pause(QUIET)
    }
}

fn is_clean(summary: &Summary<'_>) -> bool {
    for violation in summary.violations().take(SHOWN) {
        say(&format!("{violation}, in lines {:?}", violation.lines));
    }
    let vacuous = summary.is_vacuous();
    if let Some(why) = &vacuous {
        say(why);
    }
    vacuous.is_none() && summary.violations().next().is_none()
}

fn is_found(plant: Plant, report: &Report) -> bool {
    let first = report.violations.first();
    let last_line = first.and_then(|first| first.lines.iter().max());
    match (first, last_line) {
        (Some(first), Some(line)) => {
            // The first line is the header.
            say(&format!("{plant} is found after {} requests: {first}", line - 1));
            true
        }
        _ => {
            say(&format!("{plant} is not found"));
            false
        }
    }
}

async fn heed_signals() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    IS_INTERRUPTED.store(true, Ordering::SeqCst);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "tells what happens")]
fn say(text: &str) {
    println!("{text}");
}
