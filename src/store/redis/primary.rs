//! The primary that is asked. A former primary is never asked again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ConnectionAddr, ErrorKind, RedisConnectionInfo, RedisError, RedisResult, Value};
use tokio::time::timeout;

use super::address::Node;
use super::connector::{Connector, Told};
use super::error::READ_ONLY;

/// The address of the primary, and its identity.
pub(super) struct Primary {
    connector: Arc<Connector>,
    target: Target,
    /// Rises when another primary is found: connections to the one before are then no longer used.
    number: AtomicU32,
    /// The address that the Sentinels gave last.
    named: Mutex<Option<Node>>,
    /// The known primaries, by replication id. Each start and each promotion makes a new id.
    seen: Mutex<Seen>,
}

pub(super) enum Target {
    At(ConnectionAddr),
    /// The address that the Sentinels give.
    Sentinels {
        sentinels: Vec<Node>,
        name: String,
        login: RedisConnectionInfo,
    },
    /// A node of a cluster, which refuses calls for slots that it is not responsible for.
    NodeOfCluster(ConnectionAddr),
}

#[derive(Default)]
struct Seen {
    current: Option<String>,
    left: VecDeque<String>,
}

impl Primary {
    pub(super) fn new(connector: Arc<Connector>, target: Target) -> Self {
        Self {
            connector,
            target,
            number: AtomicU32::new(0),
            named: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number.load(Ordering::Acquire)
    }

    /// Opens a connection, and returns the number of the primary that it leads to.
    pub(super) async fn open(
        &self,
        told: Option<&Told>,
    ) -> RedisResult<(MultiplexedConnection, u32)> {
        let mut connection = match &self.target {
            Target::NodeOfCluster(addr) => {
                return Ok((self.connector.open(addr, told).await?, self.number()));
            }
            Target::At(addr) => self.connector.open(addr, told).await?,
            Target::Sentinels { .. } => {
                let node = self.named_by_sentinels().await?;
                let connection = self.connector.open(&self.connector.at(&node), told).await?;
                *self.named() = Some(node);
                connection
            }
        };
        let info: String =
            redis::cmd("INFO").arg("replication").query_async(&mut connection).await?;
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        if field("role") == Some("slave") {
            return Err((READ_ONLY, "the server is a replica").into());
        }
        let number = self.saw(field("master_replid").unwrap_or_default())?;
        Ok((connection, number))
    }

    fn saw(&self, id: &str) -> RedisResult<u32> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.current.as_deref() == Some(id) {
            return Ok(self.number());
        }
        if seen.left.iter().any(|left| left == id) {
            return Err((READ_ONLY, "the server was a primary before the present one").into());
        }
        if let Some(before) = seen.current.replace(id.to_owned()) {
            seen.left.push_back(before);
            if REMEMBERED < seen.left.len() {
                seen.left.pop_front();
            }
            self.number.fetch_add(1, Ordering::AcqRel);
        }
        Ok(self.number())
    }

    pub(super) fn has_sentinels(&self) -> bool {
        matches!(self.target, Target::Sentinels { .. })
    }

    /// Asks the Sentinels for the primary, and leaves a former one: a primary that was cut off does
    /// not know.
    pub(super) async fn look(&self) {
        let Ok(node) = self.named_by_sentinels().await else { return };
        if self.named().as_ref() != Some(&node) {
            // Opening a connection to another primary leaves the one before.
            let _ = self.open(None).await;
        }
    }

    fn named(&self) -> MutexGuard<'_, Option<Node>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn named_by_sentinels(&self) -> RedisResult<Node> {
        let Target::Sentinels { sentinels, name, login } = &self.target else {
            return Err((ErrorKind::InvalidClientConfig, "there are no Sentinels").into());
        };
        let mut failure = RedisError::from((ErrorKind::Io, "there is no Sentinel"));
        for sentinel in sentinels {
            let asked = timeout(MAX_TIME_TO_NAME, self.asked(sentinel, name, login));
            match asked.await {
                Ok(Ok(Some(node))) => return Ok(node),
                Ok(Ok(None)) => {
                    failure = (
                        ErrorKind::MasterNameNotFoundBySentinel,
                        "the Sentinel knows no primary of that name",
                    )
                        .into();
                }
                Ok(Err(error)) => failure = error,
                Err(_) => {}
            }
        }
        Err(failure)
    }

    async fn asked(
        &self,
        sentinel: &Node,
        name: &str,
        login: &RedisConnectionInfo,
    ) -> RedisResult<Option<Node>> {
        let addr = self.connector.at(sentinel);
        let mut connection = self.connector.open_as(&addr, login.clone(), None).await?;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        match ask.query_async::<Value>(&mut connection).await? {
            Value::Nil => Ok(None),
            found => Ok(Some(redis::from_redis_value(found)?)),
        }
    }
}

/// The number of former primaries that are remembered.
const REMEMBERED: usize = 64;

/// The timeout of a Sentinel, before the next one is asked.
const MAX_TIME_TO_NAME: Duration = Duration::from_secs(1);
