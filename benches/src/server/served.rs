//! The server that is asked: the same program, in a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Child;

use axum::serve::ListenerExt as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::{apps, child};

pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// Starts one with that app, and so many workers.
    pub fn start(app: &str, workers: usize) -> Self {
        let mut child = child::start(&["serve", app, &workers.to_string()]);
        let mut port = String::new();
        let printed = child.stdout.as_mut().expect("it is a pipe");
        BufReader::new(printed).read_line(&mut port).expect("it prints its port");
        Self { child, port: port.trim().parse().expect("a port") }
    }

    /// Where it is told how long its threads have had a processor.
    pub fn tasks(&self) -> String {
        format!("/proc/{}/task", self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nanoseconds for which the threads listed there have had a processor.
pub fn processor_time(tasks: &str) -> u64 {
    let mut total = 0;
    for task in fs::read_dir(tasks).expect("it runs").flatten() {
        let times = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let ran = times.split_whitespace().next().and_then(|ran| ran.parse::<u64>().ok());
        total += ran.unwrap_or_default();
    }
    total
}

/// Lets this thread, and those that it starts, run there only.
pub fn pin(cores: &[usize]) {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    pin_to(&set);
}

pub fn pin_to(set: &CpuSet) {
    sched_setaffinity(None, set).expect("there are such cores");
}

/// Where this thread may run.
pub fn cores() -> CpuSet {
    sched_getaffinity(None).expect("it runs somewhere")
}

/// For a child: serves an app until it is ended.
pub fn serve(arguments: &[String]) {
    child::end_with_parent();
    let [app, workers] = arguments else {
        panic!("an app, and how many workers");
    };
    let runtime = match &workers[..] {
        "1" => {
            pin(&[0]);
            Builder::new_current_thread().enable_all().build()
        }
        _ => {
            pin(&[0, 1]);
            Builder::new_multi_thread().worker_threads(2).enable_all().build()
        }
    };
    runtime.expect("a runtime").block_on(async {
        let app = apps::named(app).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("it has one").port());
        let listener = listener.tap_io(|connection| {
            connection.set_nodelay(true).expect("a connection");
        });
        // In a task: the thread that blocks on the runtime is no worker.
        let serving = tokio::spawn(async { axum::serve(listener, app).await });
        serving.await.expect("it does not panic").expect("it goes on");
    });
}
