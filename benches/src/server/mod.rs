//! End to end: a server in a process of its own and on a core of its own, asked over keep-alive
//! connections of this machine as fast as it answers. Then with two workers, on the cores that it then
//! shares with whoever asks.

mod asking;
pub mod served;

use std::time::Duration;

use self::asking::{Asking, Sample};
use self::served::Server;
use crate::apps;
use crate::report::{Report, short};
use crate::rounds::{interleave, median, ratio};
use crate::settings::Settings;

const APPS: [&str; 9] = [
    apps::BARE,
    apps::EXTENSION,
    apps::OURS,
    apps::OURS_FULL,
    apps::TOWER_SESSIONS,
    apps::ALWAYS_SAVE,
    apps::AXUM_LOGIN,
    apps::AXUM_SESSION,
    apps::AXUM_SESSION_SIGNED,
];

/// A server with one worker, and one with two.
struct Case {
    name: &'static str,
    alone: Asking,
    paired: Asking,
    // They serve as long as these are here.
    _servers: [Server; 2],
}

impl Case {
    fn of(name: &'static str) -> Self {
        let servers = [Server::start(name, 1), Server::start(name, 2)];
        let [alone, paired] = [&servers[0], &servers[1]].map(Asking::of);
        Self { name, alone, paired, _servers: servers }
    }
}

/// What the answers of one round were like.
#[derive(Clone, Copy)]
struct Round {
    alone: Sample,
    paired: Sample,
}

pub fn run(settings: &Settings, report: &mut Report) {
    let cores = std::thread::available_parallelism().expect("there are some").get();
    if cores < 2 {
        report.text("Left out: it takes two cores.");
        return;
    }
    let allowed = served::cores();
    let time = Duration::from_millis(settings.count(300, 20) as u64);
    let mut cases = Vec::from_iter(APPS.map(Case::of));
    let all = interleave(settings.count(21, 1), &mut cases, |case| {
        served::pin(&[1]);
        let alone = case.alone.sample(time);
        served::pin(&[0, 1]);
        let paired = case.paired.sample(time);
        Round { alone, paired }
    });
    served::pin_to(&allowed);
    let figures = Vec::from_iter(cases.iter().map(|case| case.name).zip(&all));
    one_core(report, &figures);
    two_workers(report, &figures);
}

type Figures<'a> = [(&'static str, &'a Vec<Round>)];

fn one_core(report: &mut Report, figures: &Figures<'_>) {
    let bare = figures[0].1;
    let rate = |rounds: &[Round]| Vec::from_iter(rounds.iter().map(|round| round.alone.rate));
    let cpus = |rounds: &[Round]| Vec::from_iter(rounds.iter().map(|round| round.alone.cpu));
    let row = |(name, rounds): &(&str, &Vec<Round>)| {
        let cpu = median(rounds.iter().map(|round| round.alone.cpu));
        let busy = median(rounds.iter().map(|round| round.alone.cpu * round.alone.rate));
        vec![
            (*name).to_owned(),
            format!("{:.2}", ratio(rate(rounds), rate(bare))),
            short(median(rate(rounds))),
            format!("{:.2}", cpu * 1e6),
            format!("{:.2}", ratio(cpus(bare), cpus(rounds))),
            format!("{:.0} %", busy * 100.0),
        ]
    };
    report.heading("One core");
    let columns = [
        "server",
        "requests, of bare",
        "a second",
        "µs of CPU each",
        "requests for the same CPU, of bare",
        "its core busy",
    ];
    report.table(&columns, &Vec::from_iter(figures.iter().map(row)));
    report.text(
        "One worker on one core, 64 keep-alive connections from another core. Where the core was not \
         busy, the load generator was the slower one, or others used the machine, and what counts is how many \
         requests the same processor time would do for.",
    );
    let bars =
        figures.iter().map(|(name, rounds)| ((*name).to_owned(), ratio(rate(rounds), rate(bare))));
    report.bars("requests a second on one core, of bare axum", &Vec::from_iter(bars));
}

fn two_workers(report: &mut Report, figures: &Figures<'_>) {
    let scaling = |rounds: &[Round]| {
        Vec::from_iter(rounds.iter().map(|round| round.paired.rate / round.alone.rate))
    };
    let dearer = |rounds: &[Round]| {
        Vec::from_iter(rounds.iter().map(|round| round.paired.cpu / round.alone.cpu))
    };
    let (bare_scaling, bare_dearer) = (scaling(figures[0].1), dearer(figures[0].1));
    let row = |(name, rounds): &(&str, &Vec<Round>)| {
        vec![
            (*name).to_owned(),
            short(median(rounds.iter().map(|round| round.paired.rate))),
            format!("{:.2}", median(scaling(rounds))),
            format!("{:.2}", ratio(scaling(rounds), bare_scaling.clone())),
            format!("{:.2}", ratio(dearer(rounds), bare_dearer.clone())),
        ]
    };
    report.heading("Two workers");
    let columns = [
        "server",
        "a second",
        "of one worker",
        "of bare's scaling",
        "CPU a request, of bare's growth",
    ];
    report.table(&columns, &Vec::from_iter(figures.iter().map(row)));
    report.text(
        "On two cores, which the load generator needs, too. So what counts is how it scales beside bare axum.",
    );
}
