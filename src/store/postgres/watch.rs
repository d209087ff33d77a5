//! Reporting changes: the server notifies of each with its commit, and one connection listens.
//!
//! A server notifies of a commit before the committing caller gets its answer. A connection
//! delivers its notifications before it completes the answer to a later query.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_postgres::Statement;

use super::Shared;
use super::connector::{MAX_TIME_TO_OPEN, Peer};
use super::hosts::Hosts;
use super::open_failure::OpenFailure;
use super::opened::Opened;
use super::read::revision;
use super::values::ClockTime;
use crate::clock::Stopwatch;
use crate::store::error::StoreError;
use crate::store::watch::{Change, ChangeSender, Changes, Heartbeat};

/// `None` where listening is impossible: behind a pooler, and with the app's pool.
pub(super) async fn watch(store: &Shared) -> Result<Option<Changes>, StoreError> {
    let Some(hosts) = store.hosts.clone().filter(|hosts| hosts.connector.peer == Peer::Server)
    else {
        return Ok(None);
    };
    let sql = (store.names.sessions.clone(), store.sql.head[1].text.clone());
    let is_asked = store.server_clock.is_asked;
    let turn = hosts.connector.notified.opening.clone().lock_owned().await;
    // It may take long; a caller that waits may leave, and try again.
    let listening = tokio::spawn(async move {
        let _turn = turn;
        let listening = timeout(MAX_TIME_TO_LISTEN, listen(hosts, &sql.0, &sql.1)).await;
        listening.unwrap_or(Err(OpenFailure::Silent))
    });
    let failed = |failure: OpenFailure| StoreError::new(CANNOT_LISTEN, failure.said());
    let listening = listening.await.unwrap_or(Err(OpenFailure::Silent)).map_err(failed)?;
    let notified = listening.hosts.connector.notified.clone();
    Ok(Some(notified.watchers.add(move |told| listening.beat(told, is_asked))))
}

async fn listen(hosts: Arc<Hosts>, sessions: &str, head: &str) -> Result<Listening, OpenFailure> {
    let opened = hosts.open(&Arc::new(Notify::new())).await?;
    let channel = format!("SELECT 'curfew_' || '{sessions}'::regclass::oid::text");
    let channel: String = opened.client.query_typed_one(&channel, &[]).await?.try_get(0)?;
    opened.client.batch_execute(&format!("LISTEN {channel}")).await?;
    let head = opened.client.prepare(head).await?;
    let rules = hosts.connector.notified.rules.subscribe();
    Ok(Listening { hosts, opened, head, rules })
}

/// A connection that listens.
struct Listening {
    hosts: Arc<Hosts>,
    opened: Opened,
    /// Asks for the revision of all rules, and for the time.
    head: Statement,
    /// Changes with the rules.
    rules: watch::Receiver<()>,
}

impl Listening {
    async fn beat(mut self, told: ChangeSender, is_asked: bool) {
        while let Some(heartbeat) = self.stands(is_asked).await
            && told.tell(Change::Heartbeat(heartbeat))
        {
            tokio::select! {
                () = sleep(Changes::HEARTBEAT) => {}
                Ok(()) = self.rules.changed() => {}
                () = self.hosts.primary.is_no_longer(self.opened.primary) => break,
                () = told.closed() => break,
            }
        }
        self.opened.close().await;
    }

    /// `None` if the connection is no longer usable.
    async fn stands(&self, is_asked: bool) -> Option<Heartbeat> {
        let asked = Stopwatch::start();
        let answer = timeout(2 * Changes::HEARTBEAT, self.opened.client.query_one(&self.head, &[]));
        let row = answer.await.ok()?.ok()?;
        let ClockTime(time) = row.try_get(1).ok()?;
        let clock = is_asked.then_some(time);
        Some(Heartbeat { asked, rules: revision(&row, 0).ok()?, clock })
    }
}

/// A server that hangs gets one attempt after the other, each with this timeout.
const MAX_TIME_TO_LISTEN: std::time::Duration = MAX_TIME_TO_OPEN;

const CANNOT_LISTEN: &str =
    "the session store does not tell of changes: it cannot listen to the server";
