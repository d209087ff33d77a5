//! The table, of which each library is a column.

use super::checks::Cell;
use crate::page::Table;

/// What was found of one library.
pub struct Column {
    /// As the registry calls it.
    pub library: &'static str,
    pub sign_out_stays: Cell,
    pub ends_all_others: Cell,
    pub both_timeouts: Cell,
    pub store_fails: Cell,
    pub forged_cookie: Cell,
    pub writes_of_100_requests: Cell,
    pub shortened: Cell,
    pub users_list_sessions: Cell,
}

type Row = (&'static str, fn(&Column) -> &Cell);

const ROWS: &[Row] = &[
    ("a sign-out stays when a slow request of the session finishes after it", |column| {
        &column.sign_out_stays
    }),
    ("one call ends all other sessions of the user", |column| &column.ends_all_others),
    ("the server enforces an idle and an absolute timeout together", |column| {
        &column.both_timeouts
    }),
    ("while the store fails, a session is neither admitted nor signed out", |column| {
        &column.store_fails
    }),
    ("a forged cookie costs no call of the store", |column| &column.forged_cookie),
    ("writes to the store for 100 requests that change nothing, with an idle timeout", |column| {
        &column.writes_of_100_requests
    }),
    ("an admin shortens sessions, and older ones end at the next request", |column| {
        &column.shortened
    }),
    ("users list their sessions, with device and last activity", |column| {
        &column.users_list_sessions
    }),
];

pub fn of(columns: &[Column]) -> String {
    let names = Vec::from_iter(columns.iter().map(|column| titled(column.library)));
    let head = Vec::from_iter([""].into_iter().chain(names.iter().map(String::as_str)));
    let mut table = Table::new(&head);
    for (what, cell) in ROWS {
        let cells = columns.iter().map(|column| cell(column).clone());
        table.row([(*what).to_owned()].into_iter().chain(cells));
    }
    table.0
}

/// A peer has the version that was run. tower-curfew is the one of this repository.
fn titled(library: &str) -> String {
    match latest(library) {
        Some(version) => format!("{library} {version}"),
        None => library.to_owned(),
    }
}

/// The version in the lock file, and the last one if there are several. `None` if it is not from a
/// registry.
fn latest(library: &str) -> Option<String> {
    let lock = include_str!("../../Cargo.lock").parse::<toml::Table>().expect("a lock file");
    let packages = lock["package"].as_array().expect("a list");
    let is_it = |package: &&toml::Value| {
        package["name"].as_str() == Some(library) && package.get("source").is_some()
    };
    let package = packages.iter().rfind(is_it)?;
    Some(package["version"].as_str().expect("text").to_owned())
}
