//! On which machine, by which servers and beside which versions of the peers the figures came about.

use std::process::Command;
use std::thread::available_parallelism;

use tokio::runtime::Builder;

use crate::report::Report;
use crate::settings::Settings;

const PEERS: &[&str] = &[
    "axum",
    "tower-sessions",
    "tower-sessions-redis-store",
    "tower-sessions-sqlx-store",
    "axum-login",
    "axum_session",
    "axess-core",
    "actix-session",
];

pub fn run(settings: &Settings, report: &mut Report) {
    let cores = available_parallelism().map_or(0, usize::from);
    let mut rows = vec![
        row("processor", format!("{cores} of {}", processor())),
        row("system", said(Command::new("uname").args(["-s", "-r", "-m"]))),
        row("compiler", said(Command::new("rustc").arg("--version"))),
    ];
    if let Some(url) = &settings.redis {
        rows.push(row("Redis", redis(url)));
    }
    if let Some(url) = &settings.postgres {
        rows.push(row("PostgreSQL", postgres(url)));
    }
    rows.extend(PEERS.iter().map(|name| row(name, locked(name))));
    report.table(&["what", "which"], &rows);
}

fn row(what: &str, which: String) -> Vec<String> {
    vec![what.to_owned(), which]
}

fn said(command: &mut Command) -> String {
    let output =
        command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    output.map_or_else(|_| "unknown".to_owned(), |output| output.trim().to_owned())
}

fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    model.unwrap_or("an unknown kind").to_owned()
}

/// The versions that were built, as the lock file has them.
fn locked(name: &str) -> String {
    let begins = format!("name = \"{name}\"\nversion = \"");
    let packages = include_str!("../Cargo.lock").split("[[package]]\n").skip(1);
    let versions = packages.filter_map(|package| package.strip_prefix(&*begins)?.split('"').next());
    versions.collect::<Vec<_>>().join(", ")
}

fn redis(url: &str) -> String {
    let client = redis::Client::open(url).expect("an address");
    let told: String = client
        .get_connection()
        .and_then(|mut it| redis::cmd("INFO").query(&mut it))
        .expect("a server");
    let version = told.lines().find_map(|line| line.strip_prefix("redis_version:"));
    version.unwrap_or("unknown").trim().to_owned()
}

fn postgres(url: &str) -> String {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a server");
        tokio::spawn(connection);
        let row = client.query_one("SHOW server_version", &[]).await.expect("SQL");
        row.get(0)
    })
}
