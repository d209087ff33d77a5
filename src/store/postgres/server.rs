//! The facts that a server reports when a connection is opened.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::connector::Peer;
use super::open_failure::OpenFailure;
use super::standbys;
use crate::clock::Timestamp;

/// A server that accepts writes. After a restart it counts as another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// The system identifier, the same for a primary and its replicas.
    pub(super) system: i64,
    /// The timeline, higher after each promotion.
    pub(super) timeline: i64,
    /// The start of its process, in microseconds.
    pub(super) started: i64,
}

/// The process of the server that serves a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backend {
    pub(super) server: Server,
    id: i32,
    /// In microseconds. Process ids are reused.
    started: i64,
}

/// The facts to know before a connection is used.
pub(super) struct Facts {
    pub(super) server: Server,
    /// `None` if the role may not see it, or behind a pooler.
    pub(super) backend: Option<Backend>,
    pub(super) time: Timestamp,
    /// The number of replicas that have acknowledged changes.
    pub(super) acknowledged_by: u32,
}

/// Asks for all facts in one round trip, and sets up the connection.
pub(super) async fn facts(client: &Client, peer: Peer) -> Result<Facts, OpenFailure> {
    let ask = match peer {
        Peer::Server => format!("{WAIT_BRIEFLY}; {ASK}"),
        Peer::Pooler => ASK.to_owned(),
    };
    let row: [_; 9] = only_row(client, &ask).await.map_err(|failure| match failure {
        OpenFailure::Postgres(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            OpenFailure::MayNotAsk(error)
        }
        other => other,
    })?;
    let [read_only, system, timeline, started, id, began, time, commit, names] = row;
    if read_only.as_deref() != Some("f") {
        return Err(OpenFailure::ReadOnly);
    }
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<i64>().ok());
    let timeline = timeline.as_ref().and_then(|text| i64::from_str_radix(text, 16).ok());
    let (Some(system), Some(timeline), Some(started), Some(id), Some(time)) =
        (number(&system), timeline, number(&started), number(&id), number(&time))
    else {
        return Err(OpenFailure::Unreadable);
    };
    let server = Server { system, timeline, started };
    let id = i32::try_from(id).map_err(|_| OpenFailure::Unreadable)?;
    // Behind a pooler, the next query may use another process.
    let began = number(&began).filter(|_| peer == Peer::Server);
    Ok(Facts {
        server,
        backend: began.map(|started| Backend { server, id, started }),
        time: Timestamp::from_unix_millis(time),
        acknowledged_by: standbys::demanded(
            commit.as_deref().unwrap_or_default(),
            names.as_deref().unwrap_or_default(),
        ),
    })
}

impl Backend {
    /// Ends this process over another connection to its server. Returns whether it is gone.
    pub(super) async fn is_ended_over(&self, client: &Client) -> Result<bool, Error> {
        let Self { id, started, .. } = self;
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {id} AND \
             (extract(epoch FROM backend_start) * 1000000)::bigint = {started}"
        );
        let answer = client.simple_query(&sql).await?;
        Ok(!answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))))
    }
}

async fn only_row<const COLUMNS: usize>(
    client: &Client,
    sql: &str,
) -> Result<[Option<String>; COLUMNS], OpenFailure> {
    let answer = client.simple_query(sql).await?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = row.filter(|row| row.len() == COLUMNS).ok_or(OpenFailure::Unreadable)?;
    Ok(std::array::from_fn(|column| row.get(column).map(str::to_owned)))
}

/// A call that waits for a lock on a table or a row must not occupy a connection, and each attempt
/// to open a connection must not add one more.
const WAIT_BRIEFLY: &str = "SET lock_timeout = '1s'";

const ASK: &str = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean, \
    (SELECT system_identifier FROM pg_control_system()), \
    CASE WHEN pg_is_in_recovery() THEN '0' \
    ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END, \
    (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, pg_backend_pid(), \
    (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint FROM pg_stat_activity \
    WHERE pid = pg_backend_pid()), \
    floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
    current_setting('synchronous_commit'), current_setting('synchronous_standby_names')";
