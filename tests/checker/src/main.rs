//! Judges the log in a file: `cargo run -p tower-curfew-checker -- LOG.jsonl`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::{env, fs};

use tower_curfew_checker::{Log, check};

fn main() -> ExitCode {
    let paths = env::args().skip(1).collect::<Vec<_>>();
    let judged = match &paths[..] {
        [path] => judged(path),
        _ => Err("name one file: cargo run -p tower-curfew-checker -- LOG.jsonl".into()),
    };
    // Whoever closes the output early has seen enough.
    let (code, told) = match judged {
        Ok((true, text)) => (0, io::stdout().write_all(text.as_bytes())),
        Ok((false, text)) => (1, io::stdout().write_all(text.as_bytes())),
        Err(error) => (2, writeln!(io::stderr(), "{error}")),
    };
    drop(told);
    ExitCode::from(code)
}

/// Whether the log keeps the rules, and what there is to say about it.
fn judged(path: &str) -> Result<(bool, String), String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{path}: {error}; name a file of JSON lines that can be read"))?;
    let log = Log::read(&text).map_err(|error| format!("{path}: {error}"))?;
    let report = check(&log);
    let lines = text.lines().collect::<Vec<_>>();
    let mut told = report.counts.to_string();
    told += &format!("{:>9}  violations\n", report.violations.len());
    for violation in &report.violations {
        told += &format!("\n{violation}\n");
        for number in &violation.lines {
            told += &format!("  {number}: {}\n", lines[number - 1]);
        }
    }
    Ok((report.violations.is_empty(), told))
}
