//! What it takes to wait for the ends of 10,000 sessions: memory, processor time at rest, and how long it
//! takes until all are told that everyone was revoked.
//!
//! Memory is what the process has more when they wait (Linux only), tasks that wait included. The sessions
//! are in memory, and were there before. It is a process of its own: one that has freed much does not grow.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use axum::routing::get;
use cpu_time::ProcessTime;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::ServiceExt;
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, NewSession, Session};

use crate::report::Report;
use crate::room::resident;
use crate::settings::Settings;
use crate::{apps, child};

pub fn run(settings: &Settings, report: &mut Report) {
    let waiters = settings.count(10_000, 100);
    let seconds = settings.count(20, 1);
    let printed = child::output(&["waiting", &waiters.to_string(), &seconds.to_string()]);
    let measured = printed.lines().map(str::to_owned);
    let names = [
        "bytes for each of them",
        "% of a processor at rest",
        "ms until all were told that everyone was revoked",
    ];
    let rows = names.into_iter().zip(measured).map(|(name, value)| vec![name.to_owned(), value]);
    report.table(&[&format!("{waiters} who wait"), ""], &Vec::from_iter(rows));
}

/// What the child does: it prints a line for each figure.
pub fn measure_and_tell(arguments: &[String]) {
    let numbers = Vec::from_iter(arguments.iter().map(|number| number.parse().expect("a number")));
    let [waiters, seconds] = numbers[..] else { panic!("how many, and for how long?") };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(waiters, Duration::from_secs(seconds as u64)));
}

async fn measure(waiters: usize, at_rest: Duration) {
    let curfew = apps::curfew(MemoryStore::new());
    let mut sessions = Vec::with_capacity(waiters);
    for number in 0..waiters {
        sessions.push(session(&curfew, number).await);
    }
    let before = resident();
    let mut waiting = JoinSet::new();
    for session in &sessions {
        waiting.spawn(curfew.ended(session));
    }
    // Each of them is looked at once.
    sleep(Duration::from_secs(2)).await;
    let bytes = (resident() - before) / waiters as u64;
    let cpu = ProcessTime::now();
    sleep(at_rest).await;
    let share = cpu.elapsed().as_secs_f64() / at_rest.as_secs_f64();

    let began = Instant::now();
    curfew.operator("bench").revoke_everyone().await.expect("a store");
    while let Some(ended) = waiting.join_next().await {
        ended.expect("none panics");
    }
    let told = began.elapsed().as_secs_f64() * 1e3;
    println!("{bytes}\n{:.3}\n{told:.0}", share * 100.0);
}

async fn session(curfew: &Curfew, number: usize) -> Session {
    let new = NewSession::for_user(format!("user {number}")).orgs(["acme"]);
    let cookie = curfew.start(new, &ClientInfo::for_tests()).await.expect("a store");
    let handler = get(async |session: Session| axum::Extension(session));
    let app: Router = Router::new().route("/", handler).layer(curfew.layer());
    let request = Request::get("/").header(header::COOKIE, cookie.request_header());
    let Ok(response) = app.oneshot(request.body(Body::empty()).expect("a request")).await;
    response.extensions().get::<Session>().expect("it is signed in").clone()
}
