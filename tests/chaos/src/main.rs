//! Nodes behind HAProxy, people who use them, and faults meanwhile; then the log of all calls is judged.
//!
//! ```sh
//! cargo run -p tower-curfew-chaos -- run --store redis --for 60
//! cargo run -p tower-curfew-chaos -- run --store redis --for 180 --plant forgets
//! ```
//!
//! It needs HAProxy, and the server of the store that is named. It starts them by itself, in folders and
//! on ports of their own, and stops them at its end. With `--plant` the store is broken on purpose: then
//! the run passes if the checker finds it.

#[path = "../../it/support/chance.rs"]
#[expect(clippy::unwrap_used, unreachable_pub, reason = "shared with the tests")]
mod chance;
mod node;
mod plant;
mod rules;
mod run;
mod servers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about, disable_help_subcommand = true)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts servers, nodes and people, breaks things, and judges what people saw.
    Run(run::Options),
    /// Is one of the nodes. `run` starts them.
    Node(node::Options),
}

fn main() -> ExitCode {
    let done = match Options::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Node(options) => node::serve(options).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stderr, reason = "says what stands in the way")]
fn complain(text: &str) {
    eprintln!("{text}");
}
