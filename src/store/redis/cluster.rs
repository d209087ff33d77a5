//! The nodes of a cluster, and the slots they are responsible for.
//!
//! A map of the slots selects the node for a call. A node that is not responsible names the one
//! that is, and then the map is loaded again. It is also loaded again when a node cannot be reached
//! or leaves calls unanswered: then the other nodes are asked.
//!
//! This does not use the driver's cluster client. That client sends all calls to a node over one
//! connection, where a call that waits for replicas would delay all others. While it loads its map,
//! it asks one node after the other, and makes no calls. It also does not notice when no caller
//! waits for its answers any more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use redis::Value;
use tokio::time::{sleep, timeout};

use super::address::Node;
use super::asking::{Again, Outcome, ask, map_of, read};
use super::call::Call;
use super::connector::Connector;
use super::error::Failure;
use super::primary::Target;
use super::scripts::Scripts;
use super::server::Server;
use super::slots::{Range, slot_of};

pub(super) struct Cluster(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    scripts: Arc<Scripts>,
    /// The nodes in the address.
    seeds: Vec<Node>,
    map: RwLock<Arc<Map>>,
    // One caller at a time loads the map.
    drawing: tokio::sync::Mutex<()>,
    /// The number of attempts to load it.
    drawn: AtomicU64,
}

#[derive(Default)]
struct Map {
    /// Higher is newer: the nodes number their agreements.
    epoch: u64,
    ranges: Vec<Range>,
    servers: HashMap<Node, Arc<Server>>,
}

impl Map {
    fn responsible(&self, slot: u16) -> Option<&Node> {
        let at = self.ranges.partition_point(|range| range.last < slot);
        self.ranges.get(at).filter(|range| range.first <= slot).map(|range| &range.nodes[0])
    }
}

impl Cluster {
    /// A cluster that these nodes belong to.
    pub(super) fn new(connector: Arc<Connector>, scripts: Arc<Scripts>, seeds: &[Node]) -> Self {
        let shared = Shared {
            connector,
            scripts,
            seeds: seeds.to_vec(),
            map: RwLock::default(),
            drawing: tokio::sync::Mutex::default(),
            drawn: AtomicU64::new(0),
        };
        let servers = seeds.iter().map(|node| (node.clone(), shared.server(node))).collect();
        let map = Map { servers, ..Map::default() };
        Self(Arc::new(Shared { map: RwLock::new(Arc::new(map)), ..shared }))
    }

    /// Makes calls at the nodes responsible for their keys, all at once.
    pub(super) async fn all(&self, calls: &[Call]) -> Result<Vec<Value>, Failure> {
        // A caller that leaves before the answer may have waited for a node that is gone.
        let unanswered = Unanswered(&self.0);
        let answers = self.0.all(calls).await;
        std::mem::forget(unanswered);
        answers
    }

    /// The node that is responsible for a key, according to the map.
    pub(super) fn server_of(&self, key: &[u8]) -> Option<Arc<Server>> {
        let map = self.0.map();
        map.responsible(slot_of(key)).map(|node| self.0.server_at(&map, node))
    }

    /// The nodes that are responsible for slots.
    pub(super) async fn primaries(&self) -> Result<Vec<(Node, Arc<Server>)>, Failure> {
        let shared = &self.0;
        if shared.map().ranges.is_empty() {
            shared.draw(shared.drawn.load(Ordering::Acquire)).await?;
        }
        let map = shared.map();
        let mut nodes: Vec<_> = map.ranges.iter().map(|range| range.nodes[0].clone()).collect();
        nodes.sort();
        nodes.dedup();
        Ok(nodes.into_iter().map(|node| (node.clone(), shared.server_at(&map, &node))).collect())
    }

    /// The same, from a newly loaded map.
    pub(super) async fn primaries_anew(&self) -> Result<Vec<(Node, Arc<Server>)>, Failure> {
        self.0.draw(self.0.drawn.load(Ordering::Acquire)).await?;
        self.primaries().await
    }

    /// The number of slots without a responsible node.
    pub(super) fn missing(&self) -> usize {
        let map = self.0.map();
        let count = |range: &Range| usize::from(range.last - range.first) + 1;
        usize::from(super::slots::SLOTS) - map.ranges.iter().map(count).sum::<usize>()
    }
}

impl Shared {
    fn map(&self) -> Arc<Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn server(&self, node: &Node) -> Arc<Server> {
        let target = Target::NodeOfCluster(self.connector.at(node));
        Arc::new(Server::new(self.connector.clone(), target, self.scripts.clone()))
    }

    fn server_at(&self, map: &Map, node: &Node) -> Arc<Server> {
        map.servers.get(node).cloned().unwrap_or_else(|| self.server(node))
    }

    async fn all(self: &Arc<Self>, calls: &[Call]) -> Result<Vec<Value>, Failure> {
        let seen = self.drawn.load(Ordering::Acquire);
        let map = self.map();
        let mut groups: Vec<(&Node, Vec<usize>)> = Vec::new();
        let mut again = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            match map.responsible(slot_of(&call.key)) {
                None => again.push((at, Again::Lost(Failure::NotServed))),
                // Each of these is a separate round trip.
                Some(node) if call.replicas.is_some() => groups.push((node, vec![at])),
                Some(node) => match groups
                    .iter_mut()
                    .find(|(other, group)| *other == node && calls[group[0]].replicas.is_none())
                {
                    Some((_, group)) => group.push(at),
                    None => groups.push((node, vec![at])),
                },
            }
        }
        let asked = groups.iter().map(|(node, group)| {
            let server = self.server_at(&map, node);
            async move {
                let group: Vec<&Call> = group.iter().map(|at| &calls[*at]).collect();
                ask(&server, &group, false).await
            }
        });
        // Usually there is one, or two.
        let answered = join_all(asked).await;
        let mut answers = vec![Value::Nil; calls.len()];
        for ((node, group), answered) in groups.iter().zip(answered) {
            match answered {
                Ok(values) => {
                    for (at, value) in group.iter().zip(values) {
                        match read(value, node)? {
                            Outcome::Answer(value) => answers[*at] = value,
                            Outcome::Again(why) => again.push((*at, why)),
                        }
                    }
                }
                Err(failure) if failure.is_lost_server() => {
                    let lost = |at: &usize| (*at, Again::Lost(failure.clone()));
                    again.extend(group.iter().map(lost));
                }
                Err(failure) => return Err(failure),
            }
        }
        if !again.is_empty() {
            let (places, followed): (Vec<_>, Vec<_>) =
                again.into_iter().map(|(at, why)| (at, self.follow(&calls[at], why, seen))).unzip();
            for (at, answer) in places.into_iter().zip(Box::pin(join_all(followed)).await) {
                answers[at] = answer?;
            }
        }
        Ok(answers)
    }

    /// Repeats a call at the node that is now responsible.
    async fn follow(
        self: &Arc<Self>,
        call: &Call,
        mut why: Again,
        mut seen: u64,
    ) -> Result<Value, Failure> {
        let slot = slot_of(&call.key);
        let mut was_lost = false;
        for _ in 0..MAX_WAYS {
            let (node, asking) = match why {
                Again::Moved(node) => {
                    self.draw_soon(seen);
                    (node, false)
                }
                Again::Ask(node) => (node, true),
                Again::Wait(failure) => {
                    sleep(PAUSE).await;
                    self.draw_soon(seen);
                    (self.map().responsible(slot).cloned().ok_or(failure)?, false)
                }
                Again::Lost(failure) => {
                    if was_lost {
                        return Err(failure);
                    }
                    was_lost = true;
                    self.draw(seen).await?;
                    (self.map().responsible(slot).cloned().ok_or(failure)?, false)
                }
            };
            seen = self.drawn.load(Ordering::Acquire);
            let server = self.server_at(&self.map(), &node);
            why = match ask(&server, &[call], asking).await {
                Ok(mut values) => match read(values.pop().unwrap_or(Value::Nil), &node)? {
                    Outcome::Answer(value) => return Ok(value),
                    Outcome::Again(why) => why,
                },
                Err(failure) if failure.is_lost_server() => Again::Lost(failure),
                Err(failure) => return Err(failure),
            };
        }
        Err(match why {
            Again::Wait(failure) | Again::Lost(failure) => failure,
            Again::Moved(_) | Again::Ask(_) => Failure::NotServed,
        })
    }

    /// Loads the map again, unless another caller has since.
    async fn draw(&self, seen: u64) -> Result<(), Failure> {
        let _turn = self.drawing.lock().await;
        if self.drawn.load(Ordering::Acquire) != seen {
            return Ok(());
        }
        let old = self.map();
        let asked = old.servers.iter().map(|(node, server)| async move {
            let found = timeout(MAX_TIME_TO_DRAW, map_of(server, &node.0)).await;
            found.unwrap_or(Err(Failure::NotServed))
        });
        let mut newest: Option<(u64, Vec<Range>)> = None;
        let mut failure = Failure::NotServed;
        for found in join_all(asked).await {
            match found {
                Ok(map) if newest.as_ref().is_none_or(|newest| newest.0 < map.0) => {
                    newest = Some(map);
                }
                Ok(_) => {}
                Err(error) => failure = error,
            }
        }
        self.drawn.fetch_add(1, Ordering::AcqRel);
        let (epoch, ranges) = newest.ok_or(failure)?;
        if epoch < old.epoch {
            // The nodes that know more do not answer.
            return Ok(());
        }
        // Including those of the address: the others may all disappear one day.
        let nodes = ranges.iter().flat_map(|range| &range.nodes).chain(&self.seeds);
        let servers =
            nodes.map(|node| (node.clone(), self.server_at(&old, node))).collect::<HashMap<_, _>>();
        *self.map.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Map { epoch, ranges, servers });
        Ok(())
    }

    /// The same, in the background.
    fn draw_soon(self: &Arc<Self>, seen: u64) {
        let shared = self.clone();
        tokio::spawn(async move { shared.draw(seen).await.ok() });
    }
}

/// A call that is given up before its answer arrives.
struct Unanswered<'a>(&'a Arc<Shared>);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let is_drawing = self.0.drawing.try_lock().is_err();
        // When a runtime ends, there is no task to do it.
        if !is_drawing && tokio::runtime::Handle::try_current().is_ok() {
            self.0.draw_soon(self.0.drawn.load(Ordering::Acquire));
        }
    }
}

/// How often a call is sent to another node, or waits for the nodes to agree.
const MAX_WAYS: u32 = 32;

const PAUSE: Duration = Duration::from_millis(50);

/// How long the nodes are asked for their map: one of them may be silent.
const MAX_TIME_TO_DRAW: Duration = Duration::from_millis(500);
