//! What tower-curfew costs beside its peers, beside bare reads of its stores, and as sessions grow in
//! number. One command for all of it:
//!
//! ```text
//! export CURFEW_TEST_REDIS=redis://127.0.0.1:6379/
//! export CURFEW_TEST_POSTGRES=postgres://user@127.0.0.1/database
//! export CURFEW_TEST_REDIS_CLUSTER=redis-cluster://127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003/
//! cargo run --release --manifest-path benches/Cargo.toml -- [SECTION...] [--markdown FOLDER] [--quick] [--huge]
//! ```
//!
//! Without a section it runs all of [`SECTIONS`]. A server that is not named is left out, which the page
//! says. With `--markdown` each section leaves a page and its pictures in that folder. `--quick` has
//! counts so small that its figures say nothing but that it runs; `--huge` adds ten million sessions to
//! the curves.
//!
//! The machine is noisy. So the cases of a section take turns, and ratios are taken round by round:
//! compare within one run.

mod apps;
mod child;
mod counting;
mod growth;
mod pools;
mod process;
mod records;
mod report;
mod room;
mod rounds;
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

const SECTIONS: &[(&str, Section)] = &[
    ("process", process::run),
    ("stores", stores::run),
    ("server", server::run),
    ("room", room::run),
    ("growth", growth::run),
    ("waiting", waiting::run),
    ("stalls", stalls::run),
    ("pools", pools::run),
];

fn main() -> ExitCode {
    let arguments = env::args().skip(1).collect::<Vec<_>>();
    if let [flag, of_child @ ..] = &arguments[..]
        && flag == child::FLAG
    {
        child::run(of_child);
        return ExitCode::SUCCESS;
    }
    let (settings, named) = match Settings::parse(arguments) {
        Ok(parsed) => parsed,
        Err(refused) => return usage(&refused),
    };
    let unknown = named.iter().find(|name| !SECTIONS.iter().any(|(known, _)| known == name));
    if let Some(unknown) = unknown {
        return usage(&format!("there is no section `{unknown}`"));
    }
    for (name, section) in SECTIONS {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            let mut report = Report::begin(name, settings.folder.clone());
            section(&settings, &mut report);
            report.finish();
        }
    }
    ExitCode::SUCCESS
}

fn usage(refused: &str) -> ExitCode {
    let names = SECTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | ");
    eprintln!("{refused}\nusage: [{names}]... [--markdown FOLDER] [--quick] [--huge]");
    ExitCode::FAILURE
}
