//! Processes of their own for what must not be measured in this one: the same program, started with a
//! word that no user gives.

use std::env;
use std::io::{self, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use crate::{apps, growth, room, server, waiting};

pub const FLAG: &str = "--child";

/// What each of them does.
pub fn run(arguments: &[String]) {
    let [task, arguments @ ..] = arguments else {
        panic!("a child needs a task");
    };
    match &task[..] {
        "actix" => apps::actix::measure_and_tell(arguments),
        "growth" => growth::measure_and_tell(arguments),
        "room" => room::peers::measure_and_tell(arguments),
        "serve" => {
            end_with_parent();
            server::served::serve(arguments);
        }
        "waiting" => waiting::measure_and_tell(arguments),
        task => panic!("there is no task `{task}`"),
    }
}

/// Starts one that goes on until it is ended.
pub fn start(arguments: &[&str]) -> Child {
    command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts")
}

/// Runs one to its end, and says what it printed.
pub fn output(arguments: &[&str]) -> String {
    output_with(arguments, &[])
}

/// The same, with these variables in its environment.
pub fn output_with(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = command(arguments);
    command.envs(variables.iter().copied());
    let output = command.stderr(Stdio::inherit()).output().expect("it starts");
    assert!(ExitStatus::success(&output.status), "{arguments:?} failed");
    String::from_utf8(output.stdout).expect("it prints text")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program is a file"));
    command.arg(FLAG).args(arguments);
    command
}

/// However the parent ends, its end of the pipe is closed then.
fn end_with_parent() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
