//! What it takes to wait for the ends of 10,000 sessions: memory, processor time at rest, and how long it
//! takes until all are told that everyone was revoked.
//!
//! ```text
//! cargo bench --manifest-path benches/Cargo.toml --bench waiting
//! ```
//!
//! Memory is what the process has more when they wait (Linux only), tasks that wait included. The sessions
//! are in memory, and were there before.

use std::fs;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use axum::routing::get;
use cpu_time::ProcessTime;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::ServiceExt;
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, Session};

const WAITERS: usize = 10_000;
const AT_REST: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let keyring = Keyring::from_bytes([7; 32]).expect("32 bytes");
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build().expect("defaults");
    let mut sessions = Vec::with_capacity(WAITERS);
    for number in 0..WAITERS {
        sessions.push(session(&curfew, number).await);
    }
    let before = resident();
    let mut waiting = JoinSet::new();
    for session in &sessions {
        waiting.spawn(curfew.ended(session));
    }
    // Each of them is looked at once.
    sleep(Duration::from_secs(2)).await;
    if let (Some(before), Some(after)) = (before, resident()) {
        println!("{} bytes for each of {WAITERS} who wait", (after - before) / WAITERS);
    }
    let cpu = ProcessTime::now();
    sleep(AT_REST).await;
    let share = cpu.elapsed().as_secs_f64() / AT_REST.as_secs_f64();
    println!("{:.3} % of a processor at rest", share * 100.0);

    let began = Instant::now();
    curfew.operator("bench").revoke_everyone().await.expect("a store");
    while let Some(ended) = waiting.join_next().await {
        ended.expect("none panics");
    }
    println!("all told {:.0} ms after everyone was revoked", began.elapsed().as_secs_f64() * 1e3);
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

/// How many bytes of memory this process has.
fn resident() -> Option<usize> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}
