//! Processes that this one starts, and ends.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::chance::Chance;

/// Longer than what is waited for takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Somebody wants this run to end.
pub(crate) static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Sleeps, but no longer than anybody wants this run to go on.
pub(crate) fn pause(length: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        if IS_INTERRUPTED.load(Ordering::SeqCst) {
            bail!("interrupted; what was started is stopped");
        }
        let left = length.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(Duration::from_millis(50)));
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_so() {
        if PATIENCE < began.elapsed() {
            bail!("waited in vain for {what}; is the machine busy with something else?");
        }
        pause(Duration::from_millis(50))?;
    }
    Ok(())
}

/// A program that goes with this one, however that ends, and hears no Ctrl-C of its own.
pub(crate) fn program(name: impl AsRef<Path>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(name.as_ref());
    command.process_group(0).current_dir("/");
    command
}

/// Runs a command to its end, and says what it wrote.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A port that nobody has, below those that the system gives to whoever connects: what is started
/// again must find it free.
pub(crate) fn free_port(chance: &mut Chance) -> u16 {
    loop {
        let port = 20_000 + u16::try_from(chance.below(12_000)).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Something that runs. It is killed when this is dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let child = child.with_context(|| format!("{command:?} cannot be started"))?;
        Ok(Self { child })
    }

    /// Starts it, and waits until this is so. It must not end before.
    pub(crate) fn ready(
        command: &mut Command,
        mut is_ready: impl FnMut() -> bool,
    ) -> anyhow::Result<Self> {
        let mut process = Self::start(command)?;
        let mut runs = true;
        until(&format!("an answer of {command:?}"), || {
            runs = process.is_running();
            !runs || is_ready()
        })?;
        if !runs {
            bail!("{command:?} ends at once; run again");
        }
        Ok(process)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops it in its tracks: what comes is taken and never answered.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// `kill -9`, of its children too.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        drop(self.child.wait());
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(&mut self) -> anyhow::Result<()> {
        self.signal("TERM");
        until("a node to end", || !self.is_running())
    }

    /// How much memory it takes, in KiB.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    /// To it and to its children: those of PostgreSQL are in groups of their own.
    fn signal(&self, name: &str) {
        let id = self.child.id();
        for id in [id].into_iter().chain(children_of(id)) {
            let mut kill = Command::new("kill");
            // One of them may have gone by itself.
            drop(kill.args([&format!("-{name}"), &id.to_string()]).stderr(Stdio::null()).status());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let is_child = |id: &u32| {
        // `pid (name) state ppid …`; it may be gone by now.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    ids.filter(is_child).collect()
}
