//! Processes of their own for what must not be measured in this one: the same program, started with a
//! word that no user gives.

use std::env;
use std::io::{self, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

pub const FLAG: &str = "--child";

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

/// Ends this process when its parent does: however that comes, its end of the pipe is closed then.
pub fn end_with_parent() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
