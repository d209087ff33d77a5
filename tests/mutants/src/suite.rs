//! The tests: which mutants each reaches, how long it takes, and running some of them with a mutant.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::compile::Program;

/// Tests that read the sources, which are not the usual ones.
const LEFT_OUT: &str = "tidy::";

/// What a mutant may take of memory, in KiB, before it is stopped: it may loop and never stop taking.
const MEMORY: &str = "16000000";

/// How long tests may take that wait for what never comes, and several times of what they take without a
/// mutant. A busy machine is no hang.
const WAITING: Duration = Duration::from_secs(60);

/// The same of a processor, for tests that loop.
const LOOPING: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Test {
    pub(crate) program: PathBuf,
    pub(crate) name: String,
    pub(crate) takes: Duration,
    pub(crate) reaches: BTreeSet<u32>,
}

impl Test {
    /// Its program and its name.
    pub(crate) fn full_name(&self) -> String {
        let program = self.program.file_name().unwrap_or_default().to_string_lossy();
        let name = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
        format!("{name} {}", self.name)
    }
}

/// What the system ends a process with that has had its time of a processor.
const SIGXCPU: i32 = 24;
const SIGKILL: i32 = 9;

/// How some tests ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    /// The first one that failed, or the process.
    Failed(String),
    /// The one that was running.
    TimedOut(String),
}

/// Runs programs in a folder, and keeps what it writes in another one.
pub(crate) struct Suite<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) scratch: &'a Path,
}

impl Suite<'_> {
    /// All tests of these programs. What was recorded of the same program is not recorded again.
    pub(crate) fn recorded(&self, programs: &[Program]) -> anyhow::Result<Vec<Test>> {
        let mut tests = Vec::new();
        for program in programs {
            let mut hasher = DefaultHasher::new();
            fs::read(&program.path)?.hash(&mut hasher);
            let record = format!("reached-{}-{:016x}.json", program.name, hasher.finish());
            let record = self.scratch.join(record);
            let known = fs::read_to_string(&record).ok();
            match known.and_then(|known| serde_json::from_str::<Vec<Test>>(&known).ok()) {
                Some(known) => tests.extend(known),
                None => {
                    let recorded = self.record(program)?;
                    fs::write(&record, serde_json::to_string(&recorded)?)?;
                    tests.extend(recorded);
                }
            }
        }
        tests.sort_by_key(|test| test.takes);
        Ok(tests)
    }

    fn record(&self, program: &Program) -> anyhow::Result<Vec<Test>> {
        let list = Command::new(&program.path).args(["--list", "--format", "terse"]).output()?;
        let list = String::from_utf8(list.stdout)?;
        let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
        let names = names.filter(|name| !name.starts_with(LEFT_OUT)).collect::<Vec<_>>();
        ensure!(!names.is_empty(), "{} has no tests", program.path.display());
        let reached = self.scratch.join("reached");
        let mut tests = Vec::new();
        for name in names {
            fs::write(&reached, "")?;
            let mut command = self.command(&program.path, &["--exact", name], WAITING);
            command.env("CURFEW_MUTANTS_REACHED", &reached);
            let began = Instant::now();
            let ended = self.run(command, WAITING * 5)?;
            let takes = began.elapsed();
            if ended != Ended::Passed {
                bail!("{name} fails without a mutant:\n{}", self.output());
            }
            let numbers = fs::read_to_string(&reached)?;
            let numbers = numbers.lines().map(str::parse).collect::<Result<_, _>>()?;
            let (program, name) = (program.path.clone(), name.to_owned());
            tests.push(Test { program, name, takes, reaches: numbers });
        }
        Ok(tests)
    }

    /// Runs these tests of one program with a mutant.
    pub(crate) fn tried(&self, mutant: u32, tests: &[&Test]) -> anyhow::Result<Ended> {
        let program = &tests.first().context("some tests")?.program;
        let names = tests.iter().map(|test| &*test.name);
        let names = ["--exact"].into_iter().chain(names).collect::<Vec<_>>();
        let takes = tests.iter().map(|test| test.takes).sum::<Duration>() * 8;
        let mut command = self.command(program, &names, LOOPING + takes);
        command.env("CURFEW_MUTANT", mutant.to_string());
        self.run(command, WAITING + takes)
    }

    /// Runs all tests of some programs, until one fails.
    pub(crate) fn all(&self, tests: &[Test], programs: &[Program]) -> anyhow::Result<Ended> {
        for program in programs {
            let takes = tests.iter().map(|test| test.takes).sum::<Duration>() * 8;
            let command = self.command(&program.path, &["--skip", LEFT_OUT], LOOPING + takes);
            match self.run(command, WAITING + takes)? {
                Ended::Passed => {}
                Ended::Failed(name) => {
                    return Ok(Ended::Failed(format!("{} {name}", program.name)));
                }
                Ended::TimedOut(name) => {
                    return Ok(Ended::TimedOut(format!("{} {name}", program.name)));
                }
            }
        }
        Ok(Ended::Passed)
    }

    fn command(&self, program: &Path, choice: &[&str], looping: Duration) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v $1; ulimit -t $2; shift 2; exec \"$@\"", "sh", MEMORY]);
        command
            .arg(looping.as_secs().to_string())
            .arg(program)
            .arg("--test-threads=1")
            .args(choice);
        command.current_dir(self.folder).env("CURFEW_QUICK", "1").env("RUST_BACKTRACE", "0");
        command
    }

    fn run(&self, mut command: Command, at_most: Duration) -> anyhow::Result<Ended> {
        let output = File::create(self.scratch.join("output"))?;
        command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
        let mut child = command.spawn().context("a test cannot be started")?;
        let Some(status) = waited(&mut child, at_most)? else {
            return Ok(Ended::TimedOut(self.running()));
        };
        if status.success() {
            return Ok(Ended::Passed);
        }
        if matches!(status.signal(), Some(SIGXCPU | SIGKILL)) {
            return Ok(Ended::TimedOut(self.running()));
        }
        let output = self.output();
        // The list at the end: above it, the name of a test is torn from its outcome by what it prints.
        let list = output.rsplit_once("\nfailures:\n").map(|(_, list)| list);
        let failed = list.and_then(|list| list.lines().next()).map(|name| name.trim().to_owned());
        Ok(Ended::Failed(failed.unwrap_or_else(|| status.to_string())))
    }

    /// The last test that has begun.
    fn running(&self) -> String {
        let output = self.output();
        let name = |line: &str| Some(line.strip_prefix("test ")?.split_once(" ...")?.0.to_owned());
        output.lines().rev().find_map(name).unwrap_or_default()
    }

    fn output(&self) -> String {
        let output = fs::read(self.scratch.join("output")).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    }
}

/// `None`, and it is stopped, if it takes longer.
fn waited(child: &mut Child, at_most: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if at_most < began.elapsed() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}
