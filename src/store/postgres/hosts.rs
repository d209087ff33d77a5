//! The hosts of the connection string, one of which is the primary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::task::JoinSet;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::connector::Connector;
use super::open_failure::OpenFailure;
use super::opened::Opened;
use super::primary::{Primary, choose};

/// The targets of connections, and the right to open one.
pub(super) struct Hosts {
    pub(super) connector: Connector,
    pub(super) primary: Primary,
    /// The number of connections that were opened so far.
    pub(super) opened: AtomicU64,
    /// The number of attempts that have failed.
    pub(super) failed: AtomicU64,
    /// The number of attempts in a row without an answer.
    pub(super) silent: AtomicU32,
    each: Vec<Config>,
    /// Held while there may be one connection more than configured.
    turn: Mutex<()>,
}

impl Hosts {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            each: single_hosts(&connector.config),
            connector,
            primary: Primary::default(),
            opened: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            silent: AtomicU32::new(0),
            turn: Mutex::new(()),
        }
    }

    pub(super) fn are_several(&self) -> bool {
        1 < self.each.len()
    }

    /// Takes the right to have one connection more than configured for a moment.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Opens a connection to the primary. `wake` is notified when it is closed.
    pub(super) async fn open(self: &Arc<Self>, wake: &Arc<Notify>) -> Result<Opened, OpenFailure> {
        let mut opened = self.look(wake).await?;
        opened.primary = self.primary.take(opened.facts.server)?;
        opened.number = self.opened.fetch_add(1, Ordering::AcqRel) + 1;
        Ok(opened)
    }

    /// Looks for a newer primary from time to time, if several hosts are named: the old one may
    /// still answer, so that no connection to it breaks.
    pub(super) async fn look_out(self: Arc<Self>) {
        let wake = Arc::new(Notify::new());
        loop {
            tokio::time::sleep(LOOK_OUT_EVERY).await;
            let _turn = self.turn().await;
            let Ok(Ok(opened)) = tokio::time::timeout(MAX_LOOK, self.look(&wake)).await else {
                continue;
            };
            let server = opened.facts.server;
            if self.primary.known().is_none_or(|known| known.timeline < server.timeline) {
                // Only a server that is still older is refused here.
                let _ = self.primary.take(server);
            }
            opened.close().await;
        }
    }

    /// Looks at all hosts at once, and keeps the connection to the primary.
    async fn look(self: &Arc<Self>, wake: &Arc<Notify>) -> Result<Opened, OpenFailure> {
        let addresses = self.addresses().await;
        if let [only] = &*addresses {
            return Opened::at(&self.connector, only, wake).await;
        }
        let mut attempts = JoinSet::new();
        for (place, address) in addresses.into_iter().enumerate() {
            let (hosts, wake) = (self.clone(), wake.clone());
            attempts
                .spawn(async move { (place, Opened::at(&hosts.connector, &address, &wake).await) });
        }
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        while found.is_empty()
            && let Some(attempt) = attempts.join_next().await
        {
            sort(attempt, &mut found, &mut failed);
        }
        let others = async {
            while let Some(attempt) = attempts.join_next().await {
                sort(attempt, &mut found, &mut failed);
            }
        };
        let _ = tokio::time::timeout(MAX_WAIT_FOR_OTHERS, others).await;
        // The order of the connection string is kept.
        found.sort_by_key(|(place, _)| *place);
        if found.is_empty() {
            return Err(most_telling(failed));
        }
        let servers = found.iter().map(|(_, opened)| opened.facts.server);
        let chosen = choose(self.primary.known(), servers);
        let kept = chosen.map(|place| found.swap_remove(place).1);
        for (_, opened) in found {
            opened.close().await;
        }
        kept
    }

    /// A name may resolve to several addresses.
    async fn addresses(&self) -> Vec<Config> {
        let mut addresses = Vec::new();
        for host in &self.each {
            let resolved = match host.get_hosts() {
                [Host::Tcp(name)] if host.get_hostaddrs().is_empty() => {
                    let port = host.get_ports().first().copied().unwrap_or(5432);
                    tokio::net::lookup_host((&**name, port)).await.ok()
                }
                _ => None,
            };
            let before = addresses.len();
            for address in resolved.into_iter().flatten().take(MAX_ADDRESSES) {
                let mut one = host.clone();
                one.hostaddr(address.ip());
                addresses.push(one);
            }
            if addresses.len() == before {
                // The driver reports the problem with this host.
                addresses.push(host.clone());
            }
        }
        addresses
    }
}

type Attempt = Result<(usize, Result<Opened, OpenFailure>), tokio::task::JoinError>;

fn sort(attempt: Attempt, found: &mut Vec<(usize, Opened)>, failed: &mut Vec<OpenFailure>) {
    match attempt {
        Ok((place, Ok(opened))) => found.push((place, opened)),
        Ok((_, Err(failure))) => failed.push(failure),
        Err(_) => failed.push(OpenFailure::Silent),
    }
}

/// The error of a server is more useful than the one of an unreachable host.
fn most_telling(mut failed: Vec<OpenFailure>) -> OpenFailure {
    let is_said = |failure: &OpenFailure| match failure {
        OpenFailure::Postgres(error) => error.code().is_some(),
        _ => true,
    };
    match failed.iter().position(is_said) {
        Some(place) => failed.swap_remove(place),
        None => failed.pop().unwrap_or(OpenFailure::Silent),
    }
}

/// The same configuration for each of its hosts.
fn single_hosts(all: &Config) -> Vec<Config> {
    let count = all.get_hosts().len().max(all.get_hostaddrs().len());
    let one = |place: usize| {
        let mut one = without_hosts(all);
        match all.get_hosts().get(place) {
            Some(Host::Tcp(name)) => drop(one.host(name)),
            #[cfg(unix)]
            Some(Host::Unix(path)) => drop(one.host_path(path)),
            None => {}
        }
        if let Some(address) = all.get_hostaddrs().get(place) {
            one.hostaddr(*address);
        }
        if let Some(port) = all.get_ports().get(place).or(all.get_ports().first()) {
            one.port(*port);
        }
        one
    };
    match count {
        0 => vec![all.clone()],
        _ => (0..count).map(one).collect(),
    }
}

/// The driver cannot remove hosts.
fn without_hosts(all: &Config) -> Config {
    let mut one = Config::new();
    let texts = [
        (all.get_user(), Config::user as fn(&mut Config, String) -> &mut Config),
        (all.get_dbname(), Config::dbname),
        (all.get_options(), Config::options),
        (all.get_application_name(), Config::application_name),
    ];
    for (text, set) in texts {
        if let Some(text) = text {
            set(&mut one, text.to_owned());
        }
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(time) = all.get_connect_timeout() {
        one.connect_timeout(*time);
    }
    if let Some(time) = all.get_tcp_user_timeout() {
        one.tcp_user_timeout(*time);
    }
    if let Some(time) = all.get_keepalives_interval() {
        one.keepalives_interval(time);
    }
    if let Some(count) = all.get_keepalives_retries() {
        one.keepalives_retries(count);
    }
    one.keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .channel_binding(all.get_channel_binding());
    one
}

/// How long to wait for the other hosts once one is found that accepts writes.
const MAX_WAIT_FOR_OTHERS: Duration = Duration::from_millis(1500);

const LOOK_OUT_EVERY: Duration = Duration::from_secs(5);
const MAX_LOOK: Duration = Duration::from_secs(5);

/// The most addresses of one name. An odd DNS answer could otherwise open many connections.
const MAX_ADDRESSES: usize = 8;
