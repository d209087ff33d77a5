//! What tower-curfew costs beside its peers, beside bare reads of its stores, and as sessions grow in
//! number. One command for all of it:
//!
//! ```text
//! export CURFEW_TEST_REDIS=redis://127.0.0.1:6379/
//! export CURFEW_TEST_POSTGRES=postgres://user@127.0.0.1/database
//! export CURFEW_TEST_REDIS_CLUSTER=redis-cluster://127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003/
//! cargo run --release --manifest-path benches/Cargo.toml -- [SECTION...] [--markdown FILE] [--quick] [--huge]
//! ```
//!
//! Without a section it runs all of [`SECTIONS`]. A server that is not named is left out, which the page
//! says. With `--markdown` it leaves a page with pictures there. `--quick` has
//! counts so small that its figures say nothing but that it runs; `--huge` adds ten million sessions to
//! the curves.
//!
//! The machine is noisy. So the cases of a section take turns, and ratios are taken round by round:
//! compare within one run.
//!
//! Three more words stand alone: `costs` measures what one call costs a server, `scale` computes from that
//! what a very large site takes, and `behavior` runs the same checks against each library.

mod apps;
mod behavior;
mod child;
mod costs;
mod counting;
mod growth;
mod machine;
mod page;
mod pools;
mod process;
mod records;
mod report;
mod room;
mod rounds;
mod scale;
mod server;
mod settings;
mod stalls;
mod stores;
mod turns;
mod waiting;

use std::env;
use std::process::ExitCode;

use self::report::Report;
use self::settings::Settings;

type Section = fn(&Settings, &mut Report);

/// The name of each, how the page calls it, and what measures it.
const SECTIONS: &[(&str, &str, Section)] = &[
    ("machine", "The machine", machine::run),
    ("process", "In one process", process::run),
    ("stores", "Over stores", stores::run),
    ("server", "A server", server::run),
    ("room", "Room", room::run),
    ("growth", "Growth", growth::run),
    ("waiting", "Live connections", waiting::run),
    ("stalls", "Long work", stalls::run),
    ("pools", "Beside a pool of connections", pools::run),
];

fn main() -> ExitCode {
    let arguments = env::args().skip(1).collect::<Vec<_>>();
    match &Vec::from_iter(arguments.iter().map(String::as_str))[..] {
        [child::FLAG, task, ..] => {
            run_child(task, &arguments[2..]);
            return ExitCode::SUCCESS;
        }
        ["costs"] => {
            costs::run();
            return ExitCode::SUCCESS;
        }
        ["scale", options @ ..] => return scale::run(options),
        ["behavior", options @ ..] => return behavior::run(options),
        _ => {}
    }
    let (settings, named) = match Settings::parse(arguments) {
        Ok(parsed) => parsed,
        Err(refused) => return usage(&refused),
    };
    let unknown = named.iter().find(|name| !SECTIONS.iter().any(|(known, ..)| known == name));
    if let Some(unknown) = unknown {
        return usage(&format!("there is no section `{unknown}`"));
    }
    let mut report = Report::default();
    for (name, title, section) in SECTIONS {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            report.section(title);
            section(&settings, &mut report);
        }
    }
    if let Some(file) = &settings.page {
        report.save(file);
    }
    ExitCode::SUCCESS
}

fn run_child(task: &str, arguments: &[String]) {
    match task {
        "actix" => apps::actix::measure_and_tell(arguments),
        "growth" => growth::measure_and_tell(arguments),
        "room" => room::peers::measure_and_tell(arguments),
        "serve" => server::served::serve(arguments),
        "waiting" => waiting::measure_and_tell(arguments),
        task => panic!("there is no task `{task}`"),
    }
}

fn usage(refused: &str) -> ExitCode {
    let names = SECTIONS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(" | ");
    eprintln!("{refused}\nusage: [{names}]... [--markdown FILE] [--quick] [--huge]");
    eprintln!("       costs\n       scale [--write | --check]");
    eprintln!("       behavior [--write | --check]");
    ExitCode::FAILURE
}
