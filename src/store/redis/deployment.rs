//! One server or a cluster, with the same calls.

use std::sync::Arc;

use redis::{Cmd, Value};

use super::call::Call;
use super::cluster::Cluster;
use super::error::Failure;
use super::server::Server;

pub(super) enum Deployment {
    One(Arc<Server>),
    Cluster(Cluster),
}

impl Deployment {
    /// Makes one call, and repeats it once if its connection breaks.
    pub(super) async fn call(&self, call: Call) -> Result<Value, Failure> {
        match self {
            Self::One(server) => match call.replicas {
                None => server.call(&call.cmd).await,
                Some(replicas) => {
                    let answer = server.call_and_wait(&call.cmd, replicas, false).await?;
                    Ok(answer.extract_error()?)
                }
            },
            Self::Cluster(cluster) => cluster.all(&[call]).await?.pop().ok_or(Failure::NotServed),
        }
    }

    /// Makes independent calls: over one server in this order, over a cluster in any order.
    pub(super) async fn all(&self, calls: Vec<Call>) -> Result<Vec<Value>, Failure> {
        match self {
            _ if calls.is_empty() => Ok(Vec::new()),
            Self::One(server) if calls.len() == 1 => Ok(vec![server.call(&calls[0].cmd).await?]),
            Self::One(server) => {
                let answers = server.run(&pipeline(calls)).await?;
                Ok(answers.into_iter().map(Value::extract_error).collect::<Result<_, _>>()?)
            }
            Self::Cluster(cluster) => cluster.all(&calls).await,
        }
    }

    /// Makes calls, and then a last one when they are done. Returns its answer.
    pub(super) async fn then(&self, mut first: Vec<Call>, last: Call) -> Result<Value, Failure> {
        match self {
            Self::One(_) if last.replicas.is_none() => {
                first.push(last);
                self.all(first).await?.pop().ok_or(Failure::NotServed)
            }
            _ => {
                self.all(first).await?;
                self.call(last).await
            }
        }
    }

    /// Makes calls that read, and makes sure that a primary answers.
    pub(super) async fn all_on_primary(&self, calls: Vec<Call>) -> Result<Vec<Value>, Failure> {
        match self {
            Self::One(server) => {
                let answers = server.run_on_primary(pipeline(calls)).await?;
                Ok(answers.into_iter().map(Value::extract_error).collect::<Result<_, _>>()?)
            }
            // In a cluster, each node answers only for its own slots.
            Self::Cluster(cluster) => cluster.all(&calls).await,
        }
    }

    /// Makes a call at the server with this index, for any keys; `None` if there are no more
    /// servers.
    pub(super) async fn at(&self, server: u32, cmd: &Cmd) -> Result<Option<Value>, Failure> {
        match self {
            Self::One(only) if server == 0 => only.call(cmd).await.map(Some),
            Self::One(_) => Ok(None),
            Self::Cluster(cluster) => match cluster.primaries().await?.get(server as usize) {
                Some((_, server)) => server.call(cmd).await.map(Some),
                None => Ok(None),
            },
        }
    }

    /// Checks in the background whether the primary has changed.
    pub(super) fn look(&self) {
        if let Self::One(server) = self
            && server.primary().has_sentinels()
        {
            let primary = server.primary().clone();
            tokio::spawn(async move { primary.look().await });
        }
    }
}

fn pipeline(calls: Vec<Call>) -> redis::Pipeline {
    let mut pipeline = redis::Pipeline::with_capacity(calls.len());
    for call in calls {
        pipeline.add_command(call.cmd);
    }
    pipeline
}
