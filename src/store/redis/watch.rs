//! Reporting changes: a server that tracks keys reports the changed ones to a listening connection.
//!
//! The server reports a change before the caller that made it gets the answer, and before it
//! answers later calls on the listening connection. On a cluster each primary is listened to, and
//! all start again when slots move.

use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::aio::{MultiplexedConnection, SendError};
use redis::{ErrorKind, PushInfo, PushKind, RedisResult, ServerErrorKind, Value};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::connector::Told;
use super::deployment::Deployment;
use super::error::Failure;
use super::primary::Primary;
use super::read;
use super::server::Server;
use super::slots::{Range, ranges};
use crate::clock::Stopwatch;
use crate::session::SessionId;
use crate::store::error::StoreError;
use crate::store::watch::{Change, ChangeSender, Changes, Heartbeat};

pub(super) async fn watch(store: &Arc<Shared>) -> Result<Changes, StoreError> {
    let (told, changes) = Changes::channel();
    let rules = Arc::<Notify>::default();
    let listeners = listen(store, &told, &rules).await.map_err(|failure| match failure {
        Failure::Redis(error) if error.kind() == NO_PERMISSION => {
            StoreError::new(MAY_NOT_LISTEN, error)
        }
        failure => failure.into(),
    })?;
    let store = Arc::downgrade(store);
    tokio::spawn(async move {
        while let Some(store) = store.upgrade()
            && let Some(heartbeat) = listeners.stand(&store).await
            && told.tell(Change::Heartbeat(heartbeat))
        {
            drop(store);
            tokio::select! {
                () = sleep(Changes::HEARTBEAT) => {}
                () = rules.notified() => {}
                () = told.closed() => break,
            }
        }
        told.end();
    });
    Ok(changes)
}

async fn listen(
    store: &Arc<Shared>,
    told: &ChangeSender,
    rules: &Arc<Notify>,
) -> Result<Listeners, Failure> {
    let keys = Keys { sessions: store.session_prefix(), rules: store.rules_keys[0].clone() };
    let listener: Told = {
        let (told, rules, keys) = (told.clone(), rules.clone(), keys.clone());
        Arc::new(move |push| keys.changed(push, &told, &rules))
    };
    Ok(match &store.deployment {
        Deployment::One(server) => {
            let (listener, primary) = opened(server, &listener, &keys).await?;
            Listeners::One { listener, number: primary, primary: server.primary().clone() }
        }
        Deployment::Cluster(cluster) => {
            let mut each = Vec::new();
            for (node, server) in cluster.primaries_anew().await? {
                let (mut listener, _) = opened(&server, &listener, &keys).await?;
                let map = map_of(&mut listener, &node.0).await?;
                each.push((listener, node.0, map));
            }
            let agree = each.windows(2).all(|two| two[0].2 == two[1].2);
            if each.is_empty() || !agree {
                return Err(Failure::NotServed);
            }
            Listeners::Cluster(each)
        }
    })
}

/// A connection on which a server reports changed keys, and the number of the primary.
async fn opened(
    server: &Server,
    told: &Told,
    keys: &Keys,
) -> Result<(MultiplexedConnection, u32), Failure> {
    let (mut connection, number) = server.primary().open(Some(told)).await?;
    let mut track = redis::cmd("CLIENT");
    track.arg("TRACKING").arg("ON").arg("BCAST");
    track.arg("PREFIX").arg(&keys.sessions).arg("PREFIX").arg(&keys.rules);
    track.exec_async(&mut connection).await?;
    Ok((connection, number))
}

/// The keys that are tracked.
#[derive(Clone)]
struct Keys {
    sessions: Vec<u8>,
    rules: Vec<u8>,
}

impl Keys {
    fn changed(
        &self,
        push: PushInfo,
        told: &ChangeSender,
        rules: &Notify,
    ) -> Result<(), SendError> {
        match push {
            PushInfo { kind: PushKind::Invalidate, data } => match data.into_iter().next() {
                Some(Value::Array(keys)) => {
                    for key in keys {
                        self.key_changed(&key, told, rules);
                    }
                }
                // All keys may have changed.
                _ => drop(told.tell(Change::Any)),
            },
            PushInfo { kind: PushKind::Disconnection, .. } => told.end(),
            PushInfo { .. } => {}
        }
        Ok(())
    }

    fn key_changed(&self, key: &Value, told: &ChangeSender, rules: &Notify) {
        let Value::BulkString(key) = key else { return };
        if *key == self.rules {
            rules.notify_one();
        } else if let Some(id) = key.strip_prefix(&*self.sessions)
            && let Ok(id) = id.try_into()
        {
            told.tell(Change::Session(SessionId::from_bytes(id)));
        }
    }
}

/// The connections that listen for changes.
enum Listeners {
    One {
        listener: MultiplexedConnection,
        number: u32,
        primary: Arc<Primary>,
    },
    /// For each primary: its connection, its host, and the slots as it sees them.
    Cluster(Vec<(MultiplexedConnection, String, Vec<Range>)>),
}

impl Listeners {
    /// `None` if changes may have been missed.
    async fn stand(&self, store: &Shared) -> Option<Heartbeat> {
        let asked = Stopwatch::start();
        let look = async { tokio::try_join!(self.are_in_place(), read::stands(store)) };
        let (are_in_place, (rules, clock)) =
            timeout(2 * Changes::HEARTBEAT, look).await.ok()?.ok()?;
        are_in_place.then_some(Heartbeat { asked, rules, clock })
    }

    /// Asked over the same connections, so that earlier reports have arrived.
    async fn are_in_place(&self) -> Result<bool, Failure> {
        match self {
            Self::One { listener, number, primary } => {
                let role: RedisResult<Vec<Value>> =
                    redis::cmd("ROLE").query_async(&mut listener.clone()).await;
                let is_primary = role?.first() == Some(&Value::BulkString(b"master".to_vec()));
                Ok(is_primary && primary.number() == *number)
            }
            Self::Cluster(each) => {
                let maps = each.iter().map(|(listener, host, _)| {
                    let mut listener = listener.clone();
                    async move { map_of(&mut listener, host).await }
                });
                let maps = try_join_all(maps).await?;
                Ok(maps.iter().zip(each).all(|(map, (.., before))| map == before))
            }
        }
    }
}

async fn map_of(listener: &mut MultiplexedConnection, host: &str) -> Result<Vec<Range>, Failure> {
    let mut map = ranges(redis::cmd("CLUSTER").arg("SLOTS").query_async(listener).await?, host)?;
    map.sort_by_key(|range| range.first);
    Ok(map)
}

const NO_PERMISSION: ErrorKind = ErrorKind::Server(ServerErrorKind::NoPerm);

const MAY_NOT_LISTEN: &str = "the redis server does not tell of changes, since its user may not ask for that; \
                              allow it `+client|tracking`";
